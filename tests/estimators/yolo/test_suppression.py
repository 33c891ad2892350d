"""Non-maximum suppression, against a loop over pairs and against torchvision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rcnet_rt.estimators.yolo.suppression import MAX_POSES, suppress


def naive(boxes: np.ndarray, classes: np.ndarray) -> list[int]:
    kept: list[int] = []
    for index, (x1, y1, x2, y2) in enumerate(boxes):
        for other in kept:
            u1, v1, u2, v2 = boxes[other]
            width, height = min(x2, u2) - max(x1, u1), min(y2, v2) - max(y1, v1)
            shared = max(width, 0) * max(height, 0)
            union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared
            if classes[other] == classes[index] and shared > 0.7 * union:
                break
        else:
            kept.append(index)
    return kept


@st.composite
def people(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of whole pixels that often overlap, and their classes."""
    count = draw(st.integers(0, 40))
    corners = draw(arrays(np.int64, (count, 2), elements=st.integers(0, 12)))
    sides = draw(arrays(np.int64, (count, 2), elements=st.integers(1, 12)))
    classes = draw(arrays(np.int64, count, elements=st.integers(0, 2)))
    return np.hstack([corners, corners + sides]), classes


@given(people())
def test_against_a_loop(case: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, classes = case
    single = boxes.astype(np.float32)
    assert suppress(single, classes).tolist() == naive(boxes, classes)
    assert suppress(single).tolist() == naive(boxes, np.zeros(len(boxes)))


def test_against_torchvision() -> None:
    ops = pytest.importorskip("torchvision").ops
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for count in (0, 1, 7, 300, 2000):
        corners = rng.uniform(0, 100, (count, 2))
        boxes = np.hstack([corners, corners + rng.uniform(1, 100, (count, 2))]).astype(np.float32)
        scores = -np.sort(-rng.choice(np.linspace(0, 1, 50), count)).astype(np.float32)  # ties
        expected = ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.7)[:MAX_POSES]
        np.testing.assert_array_equal(suppress(boxes), expected)


def test_no_more_than_the_most_poses_of_an_image() -> None:
    corners = np.arange(400, dtype=np.float32)[:, None] * [20, 0]
    boxes = np.hstack([corners, corners + 10]).astype(np.float32)
    assert suppress(boxes).tolist() == list(range(300))
