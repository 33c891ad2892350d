from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.constants import CANDIDATE_FLOOR
from rcnet_rt.rescoring.nms_consensus import CONSENSUS, Candidates, consensus

SIGMAS = np.array(COCO17.sigmas)
Floats = npt.NDArray[np.float64]


@pytest.fixture
def found() -> tuple[Floats, Floats, Candidates]:
    """Three people, far apart; 30 candidates around them, and the kept poses, one of each."""
    rng = np.random.default_rng(4)
    people = rng.uniform(0, 90, (3, 17, 2)) + np.arange(3)[:, None, None] * 200
    owner = np.concatenate([np.arange(3), rng.integers(0, 2, 27)])  # the third has only itself
    keypoints = people[owner] + rng.normal(0, 5, (30, 17, 2)) * (np.arange(30) > 2)[:, None, None]
    boxes = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
    boxes[20:22] += 60  # of nobody
    scores = rng.uniform(0.03, 0.9, 30)
    scores[22] = CANDIDATE_FLOOR / 2
    return people, boxes[:3], Candidates(keypoints, scores, boxes)


def one_by_one(people: Floats, boxes: Floats, candidates: Candidates) -> Floats:
    """The same statistics, a candidate and a joint at a time."""
    rows = []
    for pose, box in zip(people, boxes, strict=True):
        mine = []
        for joints, score, other in zip(
            candidates.keypoints, candidates.scores, candidates.boxes, strict=True
        ):
            overlaps = [_iou(kept, other) for kept in boxes]
            best = max(range(len(boxes)), key=overlaps.__getitem__)
            is_mine = np.array_equal(boxes[best], box) and overlaps[best] > 0.6
            if is_mine and score >= CANDIDATE_FLOOR:
                mine.append((joints, score, overlaps[best]))
        weights = np.array([score for _, score, _ in mine])
        size = math.sqrt(0.53 * (box[2] - box[0]) * (box[3] - box[1]))
        similarity = [
            np.mean(
                [
                    math.exp(-((a - b) ** 2).sum() / (2 * (2 * sigma * size) ** 2))
                    for a, b, sigma in zip(joints, pose, SIGMAS, strict=True)
                ]
            )
            for joints, _, _ in mine
        ]
        variances = []
        for k, sigma in enumerate(SIGMAS):
            points = np.array([joints[k] for joints, _, _ in mine]) / (2 * sigma * size)
            mean = np.average(points, axis=0, weights=weights)
            variances.append(np.average(((points - mean) ** 2).sum(axis=1), weights=weights))
        spread, expected = np.sqrt(variances), np.exp(-np.array(variances) / 2)
        rows.append(
            [
                math.log(len(mine)),
                math.log(weights.sum()),
                weights.mean(),
                np.average(similarity, weights=weights),
                np.average([overlap for _, _, overlap in mine], weights=weights),
                spread.mean(),
                spread.max(),
                expected.mean(),
                expected.min(),
            ]
        )
    return np.array(rows)


def _iou(a: Floats, b: Floats) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def test_equals_a_loop(found: tuple[Floats, Floats, Candidates]) -> None:
    statistics = consensus(*found, SIGMAS)
    np.testing.assert_allclose(statistics, one_by_one(*found), rtol=1e-9, atol=1e-7)
    assert statistics[0, 0] > math.log(5)  # the first has company


def test_who_stands_alone_agrees_with_himself(found: tuple[Floats, Floats, Candidates]) -> None:
    alone = dict(zip(CONSENSUS, consensus(*found, SIGMAS)[2].tolist(), strict=True))
    assert alone["log candidates"] == 0
    assert alone["candidate OKS"] == alone["candidate IoU"] == alone["expected OKS"] == 1
    assert alone["spread"] == alone["widest spread"] == 0


def test_torch_equals_numpy(found: tuple[Floats, Floats, Candidates]) -> None:
    people, boxes, candidates = found
    tensor = torch.from_numpy
    tensors = Candidates(
        tensor(candidates.keypoints), tensor(candidates.scores), tensor(candidates.boxes)
    )
    got = consensus(tensor(people), tensor(boxes), tensors, tensor(SIGMAS))
    np.testing.assert_allclose(got.numpy(), consensus(*found, SIGMAS), rtol=1e-9, atol=1e-7)


def test_the_compiled_function_equals_numpy(found: tuple[Floats, Floats, Candidates]) -> None:
    pytest.importorskip("numba")
    from rcnet_rt.backends.numba_consensus import consensus_on_the_host

    compute = consensus_on_the_host()
    people, boxes, candidates = found
    far = replace(candidates, boxes=candidates.boxes + 5000)
    weak = replace(candidates, scores=candidates.scores * 0)
    for some in (candidates, far, weak):
        got, expected = (way(people, boxes, some, SIGMAS) for way in (compute, consensus))
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    none = Candidates(candidates.keypoints[:0], candidates.scores[:0], candidates.boxes[:0])
    assert np.isnan(compute(people, boxes, none, SIGMAS)).all()
    assert compute(people[:0], boxes[:0], candidates, SIGMAS).shape == (0, len(CONSENSUS))


def test_padding_and_order_do_not_matter(found: tuple[Floats, Floats, Candidates]) -> None:
    people, boxes, candidates = found
    order = np.random.default_rng(0).permutation(30)
    padded = Candidates(
        np.concatenate([candidates.keypoints[order], np.zeros((7, 17, 2))]),
        np.concatenate([candidates.scores[order], np.zeros(7)]),
        np.concatenate([candidates.boxes[order], np.zeros((7, 4))]),
    )
    np.testing.assert_allclose(
        consensus(people, boxes, padded, SIGMAS), consensus(*found, SIGMAS), atol=1e-7
    )


@pytest.mark.parametrize("size", [0.25, 3.0])
def test_the_size_of_the_image_does_not_matter(
    found: tuple[Floats, Floats, Candidates], size: float
) -> None:
    people, boxes, candidates = found
    other = Candidates(candidates.keypoints * size, candidates.scores, candidates.boxes * size)
    np.testing.assert_allclose(
        consensus(people * size, boxes * size, other, SIGMAS),
        consensus(*found, SIGMAS),
        atol=1e-6,
    )


def test_nothing_is_known_without_candidates(found: tuple[Floats, Floats, Candidates]) -> None:
    people, boxes, candidates = found
    none = Candidates(candidates.keypoints[:0], candidates.scores[:0], candidates.boxes[:0])
    weak = Candidates(candidates.keypoints, candidates.scores * 0, candidates.boxes)
    for nothing in (none, weak):
        statistics = consensus(people, boxes, nothing, SIGMAS)
        assert statistics.shape == (3, len(CONSENSUS))
        assert np.isnan(statistics).all()
    assert consensus(people[:0], boxes[:0], candidates, SIGMAS).shape == (0, len(CONSENSUS))
