"""Results of the images that are done, kept until all are: what an interruption leaves.

`FILE.partial` beside the output holds a line that says whose they are, and a line for every image
(JSON Lines).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from rcnet_rt.datasets.results import Entry
from rcnet_rt.errors import DatasetError, OutputError

__all__ = ["Partial", "partial_path"]


def partial_path(out: Path) -> Path:
    """Return where the images that are done are kept until all are.

    >>> partial_path(Path("out/results.json.gz")).name
    'results.json.gz.partial'
    """
    return out.with_name(f"{out.name}.partial")


class Partial:
    """The images that are done, on disk; continues what an equal job left. A context manager.

    Args:
        path: the file.
        job: the words and numbers by which a job is told from another.

    Attributes:
        path: the file; it is there from the first image on.
        done: entries by image id.

    Raises:
        DatasetError: the file belongs to another job, or is no partial file.
        OutputError: it cannot be read or written.
    """

    def __init__(self, path: Path, job: Mapping[str, Any]) -> None:
        self.path = path
        self.done: dict[int, list[Entry]] = {}
        self._job = job
        self._file: BinaryIO | None = None
        try:
            self._whole = self._read() if path.exists() else 0
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, image_id: int, entries: list[Entry]) -> None:
        """Keep the entries of an image that is done.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            if self._file is None:
                self._file = self.path.open("ab")
                self._file.truncate(self._whole)  # a line that was cut off is done again
                if self._whole == 0:
                    self._file.write(_line(self._job))
            self._file.write(_line({"image_id": image_id, "entries": entries}))
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error
        self.done[image_id] = entries

    def _read(self) -> int:
        """Take up what is done; return how many bytes of the file are whole lines."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        if not whole:
            return 0
        try:
            header = json.loads(whole[0])
            for record in map(json.loads, whole[1:]):
                self.done[record["image_id"]] = record["entries"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DatasetError(
                f"{self.path} is damaged or no partial file; delete it to predict from the start"
            ) from error
        if header != self._job:
            raise DatasetError(
                f"{self.path} belongs to another job ({_describe(header)}); delete it to predict "
                "from the start, or choose another output"
            )
        return sum(map(len, whole))

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path} cannot be written ({error.strerror or error}); the folder of the output "
            "must exist, be writable and have space"
        )


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _describe(header: Any) -> str:
    if not isinstance(header, dict):
        return str(header)
    return ", ".join(f"{name} {value}" for name, value in header.items())
