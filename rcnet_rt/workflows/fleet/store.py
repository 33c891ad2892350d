"""The output folder, local or on an object store: parts appear whole, and last.

job.json          what the parts were made with
poses/            a row a pose; a file here says that its part is done
frames/           the same names: a row a frame, published before
failed/           a note for each failure
failed.parquet    all of these notes
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from rcnet_rt.datasets.parquet.files import FRAMES, POSES
from rcnet_rt.errors import OutputError
from rcnet_rt.files.writing import cannot_be_written, write_atomically
from rcnet_rt.privacy import mask_address
from rcnet_rt.video.address import is_url
from rcnet_rt.workflows.fleet.sources import filesystem

__all__ = ["Store", "open_store"]

STAGING = ".partial"


class Store(Protocol):
    """A folder of files that are published whole.

    All methods raise OutputError where the folder cannot be used.
    """

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a sub-folder."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None where there is none."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a file that is there."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, whole."""
        ...

    def publish(self, file: Path, name: str) -> None:
        """Move a staged file to its place, whole."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def staging(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """Yield an empty local folder of one's own for what will be published."""
        ...

    def sweep(self, prefixes: Collection[str]) -> None:
        """Remove what killed runs left in staging folders of names that begin so."""
        ...


def open_store(address: str) -> Store:
    """Return the store at a path or an fsspec address; the folder is created.

    Raises:
        OutputError: it cannot be.
        RcnetError: fsspec, or what it needs for that kind of address, is not installed.
    """
    return RemoteStore(address) if is_url(address) else LocalStore(Path(address))


class LocalStore:
    """A folder of this machine, or one that it mounts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)
        with self._explained():
            for folder in (POSES, FRAMES, "failed", STAGING):
                (path / folder).mkdir(parents=True, exist_ok=True)

    def names(self, folder: str) -> set[str]:
        with self._explained():
            return {entry.name for entry in os.scandir(self._path / folder)}

    def read(self, name: str) -> bytes | None:
        with self._explained(), contextlib.suppress(FileNotFoundError):
            return (self._path / name).read_bytes()
        return None

    def open(self, name: str) -> BinaryIO:
        with self._explained():
            return (self._path / name).open("rb")

    def write(self, name: str, content: bytes) -> None:
        write_atomically(self._path / name, content)

    def publish(self, file: Path, name: str) -> None:
        with self._explained():
            with file.open("rb") as content:
                os.fsync(content.fileno())  # a name must not outlive the content in a power cut
            os.replace(file, self._path / name)

    def remove(self, name: str) -> None:
        with self._explained():
            (self._path / name).unlink(missing_ok=True)

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        with self._explained():
            folder = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=self._path / STAGING))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self, prefixes: Collection[str]) -> None:
        for name in self.names(STAGING):
            if name.startswith(tuple(prefixes)):
                shutil.rmtree(self._path / STAGING / name, ignore_errors=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise cannot_be_written(self._path, error) from error


class RemoteStore:
    """A place that fsspec writes to; an object appears when its upload is complete."""

    def __init__(self, address: str) -> None:
        self._system, path = filesystem(address)
        self._path = PurePosixPath(path)
        self.name = mask_address(address)
        with self._explained():
            self._system.makedirs(str(self._path), exist_ok=True)

    def names(self, folder: str) -> set[str]:
        with self._explained():
            self._system.invalidate_cache()
            with contextlib.suppress(FileNotFoundError):
                entries = self._system.ls(str(self._path / folder), detail=False)
                return {PurePosixPath(entry).name for entry in entries}
        return set()

    def read(self, name: str) -> bytes | None:
        with self._explained(), contextlib.suppress(FileNotFoundError):
            return bytes(self._system.cat_file(str(self._path / name)))
        return None

    def open(self, name: str) -> BinaryIO:
        with self._explained():
            file: BinaryIO = self._system.open(str(self._path / name), "rb")
            return file

    def write(self, name: str, content: bytes) -> None:
        with self._explained():
            self._system.pipe_file(str(self._path / name), content)

    def publish(self, file: Path, name: str) -> None:
        with self._explained():
            self._system.put_file(str(file), str(self._path / name))

    def remove(self, name: str) -> None:
        with self._explained(), contextlib.suppress(FileNotFoundError):
            self._system.rm_file(str(self._path / name))

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="rcnet-rt-") as folder:
            yield Path(folder)

    def sweep(self, prefixes: Collection[str]) -> None:
        """Nothing to do: staging folders are temporary ones of the workers' machines."""

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.name} cannot be used ({mask_address(str(error))}); check the address and "
                "the access"
            ) from error
