"""Every kind of bad input gets its sentence and exit code, and what was finished is readable.

RCNET_RT_BAD_INPUT=docs/reference/bad_input.md pytest tests/test_bad_input.py writes the table of
what each printed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import av
import pytest

from rcnet_rt.cli import main
from rcnet_rt.datasets.jsonl import read_lines
from tests.helpers.bad_inputs import CORPUS, Bad, lay_out

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="pipes, links and limits differ"),
    pytest.mark.filterwarnings("ignore"),  # of other people's libraries, at their models
]

TABLE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "bad_input.md"
HEAD = """# What rcnet-rt says to bad input

Written by `RCNET_RT_BAD_INPUT=docs/reference/bad_input.md pytest tests/test_bad_input.py`, which
makes every file of this list and runs the command beside it. Exit codes: 0 done, 1 failed, 2 wrong
usage.
"""
COLUMNS = "| input | command | exit | what it said |\n| --- | --- | --- | --- |"
EVERY = [bad for group in CORPUS.values() for bad in group]


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, str]]:
    """Rows by kind; written at the end where it is asked for and every kind was seen."""
    rows: dict[str, str] = {}
    yield rows
    place = os.environ.get("RCNET_RT_BAD_INPUT")
    if place and len(rows) == len(EVERY):
        parts = [HEAD]
        for title, group in CORPUS.items():
            parts.append(
                "\n".join([f"## {title}\n", COLUMNS, *(rows[bad.kind] for bad in group)]) + "\n"
            )
        Path(place).write_text("\n".join(parts), "utf-8")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: what a full disk does to those who write."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def frames(path: Path) -> int:
    """Return how many frames can be read from a finished output."""
    if path.suffix == ".jsonl":
        return len(list(read_lines(path)))
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("bad", EVERY, ids=lambda bad: bad.kind)
def test_every_kind_gets_its_sentence(
    bad: Bad,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    table: dict[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    lay_out(tmp_path)
    bad.make(tmp_path)
    capfd.readouterr()
    with (
        pytest.raises(SystemExit) as stopped,
        largest_file(bad.largest) if bad.largest else nullcontext(),
    ):
        main(list(bad.command))
    out, err = capfd.readouterr()
    assert stopped.value.code == bad.code, err
    said = err if bad.code else out + err
    assert bad.says in said
    for text in ("Traceback", "unexpected", "hush", "\x1b"):
        assert text not in out + err
    if bad.code == 1:
        assert [line.split(": ")[0] for line in err.splitlines()][-1] == "Error"
    if bad.keeps is not None:
        finished = frames(tmp_path / bad.keeps)
        assert finished > 0
        assert f"Stopped after {finished} frames" in err
    assert not [path.name for path in tmp_path.rglob(".*") if path.name.startswith(".")]
    shown = err if bad.code else re.sub(r" \([0-9.]+ fps\)|\n.*", "", out)
    table[bad.kind] = row(bad, shown)


def row(bad: Bad, said: str) -> str:
    """Return one row of the table."""
    command = f"`rcnet-rt {' '.join(bad.command)}`".replace("|", "\\|")
    words = " ".join(said.split()).replace("|", "\\|")
    return f"| {bad.kind} | {command} | {bad.code} | {words} |"


def test_the_table_lists_every_kind() -> None:
    rows = [line.split(" | ") for line in TABLE.read_text("utf-8").splitlines()]
    listed = {row[0].removeprefix("| "): row[2] for row in rows if len(row) == 4}
    assert len(EVERY) == len({bad.kind for bad in EVERY}) >= 40
    for bad in EVERY:
        assert listed.get(bad.kind) == str(bad.code), bad.kind
