"""JSON files, plain or gzipped: a sentence for each fault, written whole or not at all."""

from __future__ import annotations

import gzip
import io
import json
import math
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from rcnet_rt.errors import DatasetError
from rcnet_rt.files.reading import open_input
from rcnet_rt.files.writing import atomic_file, write_atomically

__all__ = ["atomic_text", "decode", "read_exact_json", "read_json", "write_bytes", "write_json"]

COMPRESSION = 6  # of gzip; more takes longer and saves little


def read_json(path: Path, decoder: json.JSONDecoder | None = None) -> Any:
    """Return what a JSON file holds; gzip is told by its first bytes, not by the name.

    Raises:
        DatasetError: the file is missing, unreadable, cut off or not JSON.
    """
    try:
        with open_input(path) as file:
            text = decode(file.read())
        return json.loads(text) if decoder is None else decoder.decode(text)
    except (EOFError, zlib.error, ValueError, RecursionError, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{path} is cut off or not JSON ({error}); fetch or write it again"
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror or error}; check the path"
        ) from error


def read_exact_json(path: Path) -> Any:
    """Return what a JSON file holds, for files that are written again with other scores.

    Raises:
        DatasetError: as `read_json`; a key twice in an object, or a number beyond a double, neither
            of which could be written as it was.
    """
    return read_json(path, _EXACT)


def decode(content: bytes) -> str:
    """Return JSON text, in whichever of Unicode's encodings it is."""
    return content.decode(json.detect_encoding(content), "surrogatepass")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text:.40} is too large")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"an object has {next(k for k in keys if keys.count(k) > 1)!r} twice")
    return unique


_EXACT = json.JSONDecoder(parse_float=_finite, object_pairs_hook=_unique)


def write_json(path: Path, value: Any) -> None:
    """Write JSON, gzipped where the name ends in .gz; the same value gives the same bytes.

    Raises:
        OutputError: the folder is missing or cannot be written.
    """
    write_bytes(path, json.dumps(value, separators=(",", ":")).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, gzipped where the name ends in .gz.

    Raises:
        OutputError: the folder is missing or cannot be written.
    """
    write_atomically(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


@contextmanager
def atomic_text(path: Path, errors: str = "surrogatepass") -> Iterator[TextIO]:
    """Yield a text file to write, whole or not at all, gzipped where the name ends in .gz.

    The same text gives the same bytes.

    Args:
        path: of the file.
        errors: what becomes of a lone surrogate, as for `open`.

    Raises:
        OutputError: it cannot be written.
    """
    with ExitStack() as stack:
        partial = stack.enter_context(atomic_file(path))
        file: BinaryIO = stack.enter_context(partial.open("wb"))
        if path.suffix == ".gz":
            packed = gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0)
            file = cast("BinaryIO", stack.enter_context(packed))
        yield stack.enter_context(io.TextIOWrapper(file, "utf-8", errors, newline=""))
