"""What a case does, in one sentence: the program's last line, or what a call returns or raises."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Case", "Places", "call", "program"]

LIMIT_S = 180


@dataclass(frozen=True)
class Places:
    """Where a case finds its files, and where it may write.

    Attributes:
        cases: the folder of cases.
        data: the folder of real data.
        scratch: an empty folder.
    """

    cases: Path
    data: Path
    scratch: Path


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        number: as in the list of cases.
        what: the input.
        outcome: says what happens, in a sentence of what it has seen.
    """

    number: str
    what: str
    outcome: Callable[[Places], str]


def program(
    places: Places, *arguments: object, say: str = "", last: int = 1, **environment: str
) -> str:
    """Run the program in the scratch folder; return its exit code and what it says.

    Args:
        places: where it runs.
        arguments: of the program.
        say: return the first line with this text; without, the last lines.
        last: how many lines at the end.
        environment: variables.
    """
    done = subprocess.run(
        [sys.executable, "-m", "rcnet_rt", *map(str, arguments)],
        cwd=places.scratch,
        env={**os.environ, "COLUMNS": "400", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    chosen = next(([line] for line in lines if say and say in line), lines[-last:])
    return f"exit {done.returncode}: {' / '.join(chosen)}"


def call(function: Callable[[], Any]) -> str:
    """Call a function; return its first warning, else what it returns, or what it raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = str(function())
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    if caught:
        return f"{type(caught[0].message).__name__}: {caught[0].message}"
    return result
