from __future__ import annotations

from dataclasses import replace

import numpy as np

from rcnet_rt.evaluation.metrics import Reliability, Sparsification
from rcnet_rt.report.charts import charts
from rcnet_rt.report.numbers import ErrorType, Numbers, Pair


def table(score: list[float], oks: list[float], count: list[int]) -> Reliability:
    return Reliability(np.array(score), np.array(oks), np.array(count))


def numbers() -> Numbers:
    """Numbers that can be found again in the charts."""
    level = np.linspace(1, 0.1, 10)[:, None]
    curve = np.linspace(1, 0, 101)[None]
    nan = float("nan")
    return Numbers(
        evaluation=None,  # type: ignore[arg-type] # the charts do not look at it
        gains={},
        baseline=None,
        precision=Pair(0.5 * level * curve, level * curve),
        sparsification=Pair(
            Sparsification(np.array([0.4, 0.3]), np.array([0.4, 0.1])),
            Sparsification(np.array([0.4, 0.2]), np.array([0.4, 0.1])),
        ),
        reliability=Pair(
            table([0.1, nan, 0.9], [0.3, nan, 0.6], [4, 0, 1]), table([0.5], [0.5], [5])
        ),
        scores=Pair(np.array([0.2, 1.8]), np.array([0.9, 0.1])),
        oks=np.array([0.8, 0.2]),
        error_types=(
            ErrorType("swap", 2, Pair(0.1, 0.2), 1, 0),
            ErrorType("duplicate", 1200, Pair(0.4, 0.3), 0, 9),
        ),
        images=(),
    )


def test_every_chart_shows_its_numbers() -> None:
    made = numbers()
    found = charts(made)
    lines = {
        name: [list(line.get_ydata()) for line in figure.axes[0].get_lines()]
        for name, figure in found.items()
    }
    for name, place in (("50", 0), ("75", 5), ("90", 8)):
        before, after = lines[f"precision-recall-{name}"]
        np.testing.assert_array_equal(before, made.precision.before[place])
        np.testing.assert_array_equal(after, made.precision.after[place])
    np.testing.assert_allclose(lines["precision-recall-mean"][1], made.precision.after.mean(axis=0))
    assert lines["sparsification"] == [[0.4, 0.3], [0.4, 0.2], [0.4, 0.1]]
    assert lines["reliability-raw"][1] == [0.3, 0.6]
    assert lines["reliability-refined"][1] == [0.5]
    dots = found["scatter"].axes[0].collections[0]
    np.testing.assert_array_equal(dots.get_offsets(), [[1.8, 0.1], [0.2, 0.9]])  # right on top
    np.testing.assert_array_equal(dots.get_array(), [0.2, 0.8])
    assert found["scatter"].axes[0].get_xlim()[1] > 1.8


def test_error_kinds_are_sorted_and_named() -> None:
    ax = charts(numbers())["error-types"].axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["swap\n2", "duplicate\n1,200"]
    np.testing.assert_allclose(ax.collections[1].get_offsets(), [[10, 0], [40, 1]])
    np.testing.assert_allclose(ax.collections[2].get_offsets(), [[20, 0], [30, 1]])


def test_nothing_wrong_is_no_chart() -> None:
    assert "error-types" not in charts(replace(numbers(), error_types=()))
