"""Reading files that may be gzipped, or a pipe that can be read only once."""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from rcnet_rt.errors import DatasetError

__all__ = ["open_input"]

GZIP_MAGIC = b"\x1f\x8b"
# JSON of poses packs to a tenth of its size; what packs to this was made to fill the memory.
MAX_RATIO = 200
ALWAYS_ALLOWED = 64 << 20  # bytes


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """Yield the unpacked content of a file, seekable; gzip is told by its first bytes.

    A pipe is read once, to a temporary file.

    Raises:
        OSError: the file cannot be read.
        DatasetError: gzip that unpacks to an implausible size; when that is reached.
    """
    with ExitStack() as stack:
        file: BinaryIO = stack.enter_context(path.open("rb"))
        if not file.seekable():
            spooled = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))
            shutil.copyfileobj(file, spooled, 1 << 20)
            spooled.seek(0)
            file = spooled
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if packed:
            file = stack.enter_context(io.BufferedReader(_Unpacked(path, file), 1 << 20))
        yield file


class _Unpacked(io.RawIOBase):
    """The content of a gzip file, up to a plausible size."""

    def __init__(self, path: Path, packed: BinaryIO) -> None:
        self._path = path
        self._packed_size = packed.seek(0, io.SEEK_END)
        packed.seek(0)
        self._file = gzip.GzipFile(fileobj=packed)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._file.readinto(buffer)
        if self._file.tell() > ALWAYS_ALLOWED + MAX_RATIO * self._packed_size:
            raise DatasetError(
                f"{self._path} unpacks to more than {MAX_RATIO} times its size: no file of poses "
                "does; check where it comes from"
            )
        return count
