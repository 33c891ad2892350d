"""JSON files, plain or gzipped: a sentence for each fault, written whole or not at all."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from rcnet_rt.errors import DatasetError
from rcnet_rt.files.writing import write_atomically

__all__ = ["read_json", "write_bytes", "write_json"]

_GZIP_MAGIC = b"\x1f\x8b"


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; gzip is told by its first bytes, not by the name.

    Raises:
        DatasetError: the file is missing, unreadable, cut off or not JSON.
    """
    try:
        return json.loads(_text(path))
    except OSError as error:
        if not isinstance(error, gzip.BadGzipFile):
            raise DatasetError(
                f"{path} cannot be read: {error.strerror or error}; check the path"
            ) from error
        raise _damaged(path, error) from error
    except (EOFError, zlib.error, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _text(path: Path) -> str:
    """Return what a file says. Its bytes are gone before it is parsed: some have gigabytes."""
    content = path.read_bytes()
    if content.startswith(_GZIP_MAGIC):
        content = gzip.decompress(content)
    return content.decode(json.detect_encoding(content), "surrogatepass")


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


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path} is cut off or not JSON ({error}); fetch or write it again")
