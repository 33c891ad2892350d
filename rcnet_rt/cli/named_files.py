"""Options that take `NAME=FILE`: the files of several estimators."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from rcnet_rt.workflows.training_data import UNNAMED

__all__ = ["by_name", "named_file"]


def named_file(text: str) -> tuple[str, Path]:
    """Return the name and the path of `NAME=FILE`; the name is "" where there is none.

    A path with a "=" needs no name if the file exists, or if a folder comes before the "=".

    >>> name, path = named_file("movenet=results.json.gz")
    >>> name, path.name
    ('movenet', 'results.json.gz')
    >>> named_file("results.json.gz")[0]
    ''
    """
    name, _, path = text.partition("=")
    is_path = not name or not path or "/" in name or os.sep in name
    if is_path or os.path.exists(text):
        return UNNAMED, Path(text)
    return name, Path(path)


def by_name(files: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    """Return the files of each name, in the order in which they are given.

    >>> {name: len(some) for name, some in by_name([("a", Path("1")), ("a", Path("2"))]).items()}
    {'a': 2}
    """
    found: dict[str, list[Path]] = {}
    for name, path in files:
        found.setdefault(name, []).append(path)
    return found
