"""The criterion of the study of label-free adaptation."""

from typing import Any

import pytest

from benchmarks.studies.adaptation.__main__ import criterion


def row(free: float, labeled: float, refused: str | None = None) -> dict[str, Any]:
    gains = {"label-free": {"difference": free}, "labeled": {"difference": labeled}}
    return {"gains": gains, "refused": refused}


def test_an_estimator_that_is_refused_gains_nothing_and_counts_all_the_same():
    rows = {
        "a": row(1.0, 2.0),
        "b": row(-0.4, 1.0, "refused"),
        "little to gain": row(-0.05, 0.2),
    }
    found = criterion(rows)
    assert found["labeled"] == pytest.approx(3.0)
    assert found["share"] == pytest.approx(1 / 3)
    assert found["worst"] == pytest.approx(-0.05)
    assert found["share_without_refusal"] == pytest.approx(0.2)
    assert found["worst_without_refusal"] == pytest.approx(-0.4)
