"""The table of cases is made, and says what it has seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cases.__main__ import main


def test_table(shared_data: Path, tmp_path: Path) -> None:
    if not (shared_data.parent / "cases").is_dir():
        pytest.skip("the cases are not here: they lie beside the folder of real data")
    out = tmp_path / "table.md"
    arguments = [str(shared_data.parent), "--only", "A7", "--out", str(out)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.output.count("| A7 |") == 3
    for line in out.read_text().splitlines()[2:]:
        seen, right = line.split("corners ")[1].rstrip(" |").split("; right is ")
        assert seen == right


def test_absent_cases_are_skipped_with_a_reason(tmp_path: Path) -> None:
    assert "are not here" in CliRunner().invoke(main, [str(tmp_path)]).output
