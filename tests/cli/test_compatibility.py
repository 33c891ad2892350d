"""The table of what is supported: complete, backed by tests, the same in docs and doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcnet_rt.cli import main
from rcnet_rt.cli.compatibility import (
    BUILT,
    FORMAT,
    LIBRARY,
    REAL,
    SUPPORT,
    UNTESTED,
    Support,
    markdown,
)
from rcnet_rt.datasets.formats import RESULTS_FORMATS
from rcnet_rt.estimators import ADAPTERS, TFLITE

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("row", SUPPORT, ids=lambda row: row.name)
def test_each_row_is_backed_by_a_test(row: Support) -> None:
    if row.state == UNTESTED:
        assert row.test == ""
    else:
        assert row.state in (REAL, LIBRARY, FORMAT, BUILT)
        assert (ROOT / "tests" / row.test).is_file()


def test_all_adapters_and_formats_are_there() -> None:
    uses = {row.use.removeprefix("--model ").partition(":")[0] for row in SUPPORT}
    assert {*ADAPTERS, *TFLITE} <= uses
    text = " ".join(row.name for row in SUPPORT)
    for name in RESULTS_FORMATS:
        for tool in name.replace(" 0.x", "").replace(" 1.x", "").split(", "):
            assert tool in text, tool


def test_the_documentation_has_the_table() -> None:
    page = ROOT / "docs" / "reference" / "supported.md"
    assert markdown() in page.read_text(encoding="utf-8")


def test_what_is_installed() -> None:
    assert Support("", "", FORMAT, "").installed
    assert Support("", "", FORMAT, "", "numpy", "numpy").installed
    assert not Support("", "", FORMAT, "", "no_such_package", "no").installed


def test_doctor_says_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit) as stopped:
        main(["doctor"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for row in SUPPORT:
        line = next(line for line in said.splitlines() if row.use in line and row.name in line)
        assert row.state in line
    adding = said.partition("to add what is missing")[2].splitlines()
    for row in SUPPORT:
        named = any(f"pip install '{row.install}' " in line and row.name in line for line in adding)
        assert named == (not row.installed)
