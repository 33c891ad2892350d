from __future__ import annotations

from rcnet_rt.evaluation.report_rows import ROWS, formatted, points


def test_undefined_values_are_dashes() -> None:
    nan = float("nan")
    for value in (nan, None):
        assert formatted(value, ".3f") == points(value) == points(value, "+") == "–"
    assert all(row.text(nan, "+") == "–" for row in ROWS)


def test_values_are_in_their_unit() -> None:
    assert formatted(0.1234, ".3f") == "0.123"
    assert points(0.4711) == "47.11"
    assert points(0.013, "+") == "+1.30"
    rows = {row.label: row for row in ROWS}
    assert rows["FPs above a TP ↓"].text(12.0) == "12"
