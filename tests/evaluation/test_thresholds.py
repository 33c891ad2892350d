from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcnet_rt.evaluation.thresholds import (
    best_f1_threshold,
    false_positive_threshold,
    operating_points,
    precision_threshold,
    recall_threshold,
)
from tests.evaluation.test_metrics import TABLES


@given(TABLES, st.floats(0.1, 1), st.sampled_from([0.5, 0.75]))
def test_thresholds_equal_a_plain_search(table: np.ndarray, wanted: float, at_oks: float) -> None:
    scores, oks, _ = table
    people = int((oks >= at_oks).sum()) + 2

    def judged(threshold: float) -> tuple[float, float, float, int]:
        right = oks[scores >= threshold] >= at_oks
        found = right.sum()
        return (
            right.mean(), found / people, 2 * found / (len(right) + people), len(right) - found
        )  # fmt: skip

    best = best_f1_threshold(scores, oks, people, at_oks)
    assert best is not None
    assert best.f1 == pytest.approx(max(judged(score)[2] for score in scores))
    point = (best.precision, best.recall, best.f1, best.false_positives)
    assert point == pytest.approx(judged(best.threshold))
    assert best.kept == (scores >= best.threshold).sum()

    precise = [score for score in scores if judged(score)[0] >= wanted]
    found = precision_threshold(scores, oks, people, wanted, at_oks)
    assert (found.threshold if found else None) == (min(precise) if precise else None)
    recalled = [score for score in scores if judged(score)[1] >= wanted]
    found = recall_threshold(scores, oks, people, wanted, at_oks)
    assert (found.threshold if found else None) == (max(recalled) if recalled else None)
    most = 5 * wanted
    few = [score for score in scores if judged(score)[3] <= most]
    found = false_positive_threshold(scores, oks, people, most, at_oks)
    assert (found.threshold if found else None) == (min(few) if few else None)


def test_nothing_to_choose_from() -> None:
    assert operating_points([], [], 3) == []
    assert best_f1_threshold([], [], 3) is None
    assert precision_threshold([0.9], [0.1], 3) is None
    assert recall_threshold([0.9], [0.1], 3, 0.5) is None
    assert false_positive_threshold([0.9], [0.1], 3, 0) is None
    assert operating_points([0.9], [0.8], people=0)[0].recall == 0
