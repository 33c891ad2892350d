"""Write the table of cases and what happens now: python -m tests.cases [SHARED] [--out FILE]."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.cases import of_arrays, of_files, of_machines, of_videos
from tests.cases.commands import Case, Places

ALL = (*of_files.CASES, *of_arrays.CASES, *of_videos.CASES, *of_machines.CASES)
SHARED = Path(__file__).resolve().parents[3] / "shared"


@contextmanager
def temporary_place() -> Iterator[str]:
    """Stand in a new folder; `contextlib.chdir` needs Python 3.11."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def row(case: Case, shared: Path) -> str:
    """Return a case's row, run in a folder of its own."""
    with temporary_place() as folder:
        places = Places(shared / "cases", shared / "data", Path(folder))
        try:
            outcome = case.outcome(places)
        except Exception as error:
            outcome = f"FAILED: {type(error).__name__}: {error}"
        for path, name in ((folder, "."), (str(shared), "shared")):
            outcome = outcome.replace(path + os.sep, "").replace(path, name)
    text = " ".join(outcome.split()).replace("|", r"\|")
    return f"| {case.number} | {case.what} | {text} |"


@click.command()
@click.argument("shared", default=SHARED, type=click.Path(path_type=Path))
@click.option("--only", default="", help="Numbers that begin with this, as A1.")
@click.option("--right-input", is_flag=True, help="Look for mistakes in all results files, too.")
@click.option("--out", type=click.Path(path_type=Path), help="Markdown file to write.")
def main(shared: Path, only: str, right_input: bool, out: Path | None) -> None:
    """Say what happens to every case of SHARED/cases."""
    if not (shared / "cases").is_dir():
        click.echo(f"skipped: the cases are not here ({shared / 'cases'})")
        return
    shared = shared.resolve()
    lines = ["| case | input | what happens |", "| --- | --- | --- |"]
    for case in sorted(ALL, key=lambda case: (case.number[0], int(case.number[1:]))):
        if case.number.startswith(only):
            lines.append(row(case, shared))
            click.echo(lines[-1])
    if right_input:
        lines += ["", of_arrays.right_input(shared / "data")]
        click.echo(lines[-1])
    if out:
        out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
