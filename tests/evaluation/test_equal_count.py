"""Raw and refined scores that keep the same number of poses, against naive counts."""

from __future__ import annotations

import numpy as np
import pytest

from rcnet_rt.evaluation.equal_count import keep_equal_count


@pytest.mark.parametrize("seed", range(20))
def test_counts_equal_naive_ones(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 40))
    raw, refined, oks = random.integers(0, 8, (3, size)) / 8  # with ties
    kept = keep_equal_count(raw, refined, oks, threshold=0.5)
    by_refined = [index for index in range(size) if refined[index] >= 0.5]
    by_raw = sorted(range(size), key=lambda index: -raw[index])[: len(by_refined)]
    assert np.flatnonzero(kept.refined).tolist() == by_refined
    assert np.flatnonzero(kept.raw).tolist() == sorted(by_raw)
    assert kept.count == len(by_refined)
    assert kept.false_raw == sum(oks[index] < 0.5 for index in by_raw)
    assert kept.false_refined == sum(oks[index] < 0.5 for index in by_refined)
    assert set(np.flatnonzero(kept.raw_only)) == set(by_raw) - set(by_refined)
    assert kept.raw_only.sum() == kept.refined_only.sum()
    assert sorted(kept.raw_ranks) == sorted(kept.refined_ranks) == list(range(1, size + 1))
    for ranks, keeps in ((kept.raw_ranks, kept.raw), (kept.refined_ranks, kept.refined)):
        assert (keeps == (ranks <= kept.count)).all()


def test_nothing_kept_and_no_poses() -> None:
    nothing = keep_equal_count([0.9, 0.8], [0.1, 0.2], [1.0, 0.0], threshold=0.5)
    assert (nothing.count, nothing.false_raw, nothing.false_refined) == (0, 0, 0)
    assert keep_equal_count([], [], [], threshold=0.5).count == 0
