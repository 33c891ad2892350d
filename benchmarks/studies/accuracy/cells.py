"""A folder of finished cells, so that a study that was stopped goes on where it was.

A cell is one row of one estimator with one seed. Its name is a digest of all that decides it, which
it holds as JSON, too. It does not notice that code or data change: then delete the folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.files.writing import write_atomically

__all__ = ["Cell", "cached", "describe", "finished"]

Cell = dict[str, npt.NDArray[Any]]  # arrays by name


def describe(value: Any) -> Any:
    """Return what decides a value as JSON: a function's name and options, a recipe's fields.

    >>> describe(partial(int, base=2))
    {'function': 'int', 'base': 2}
    """
    if isinstance(value, partial):
        return {**describe(value.func), **{k: describe(v) for k, v in value.keywords.items()}}
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return {"function": value.__qualname__} if callable(value) else value


def cached(folder: Path | None, decided_by: Any, compute: Callable[[], Cell]) -> Cell:
    """Return a cell from the folder; without it, compute it and keep it there."""
    if folder is None:
        return compute()
    if (known := finished(folder, decided_by)) is not None:
        return known
    text, path = _file(folder, decided_by)
    cell = compute()
    content = BytesIO()
    np.savez_compressed(content, decided_by=np.array(text), **cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.getvalue())
    return cell


def finished(folder: Path, decided_by: Any) -> Cell | None:
    """Return a cell from the folder, or None if it is not there."""
    _, path = _file(folder, decided_by)
    if not path.exists():
        return None
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "decided_by"}


def _file(folder: Path, decided_by: Any) -> tuple[str, Path]:
    text = json.dumps(decided_by, sort_keys=True)
    return text, folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.npz"
