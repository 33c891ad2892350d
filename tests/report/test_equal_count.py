"""The drawing of what only one of the scores keeps."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.report.equal_count import COLORS, DrawnPose, draw_equal_count


def pose(is_true: bool, *, sure: bool = True) -> DrawnPose:
    random = np.random.default_rng(0)
    keypoints = random.uniform(0, 200, (17, 2))
    return DrawnPose(
        keypoints=keypoints,
        sure=np.full(17, sure),
        others=random.uniform(0, 200, (2, 17, 2)),
        is_true=is_true,
        ranks=(3, 7),
    )


def drawn(raw_only: list[DrawnPose], refined_only: list[DrawnPose]) -> npt.NDArray[np.uint8]:
    png = draw_equal_count(raw_only, refined_only, COCO17, "title", "subtitle", "footer")
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image[..., ::-1], np.uint8)


def pixels(image: npt.NDArray[np.uint8], is_true: bool) -> int:
    """Return how many pixels nearly have the colour of true or of false poses."""
    color = [int(COLORS[is_true][place : place + 2], 16) for place in (1, 3, 5)]
    return int((np.abs(image.astype(int) - color).max(axis=2) < 12).sum())


def test_halves_have_the_colours_of_their_poses() -> None:
    image = drawn([pose(False)] * 4, [pose(True)] * 4)
    assert image.shape[1] == 1600
    cells = image[260:-100]
    left, right = cells[:, :800], cells[:, 800:]
    assert pixels(left, False) > 1000 > 10 > pixels(left, True)
    assert pixels(right, True) > 1000 > 10 > pixels(right, False)


def test_limbs_that_the_estimator_doubts_are_pale() -> None:
    certain, doubted = (drawn([pose(False, sure=sure)], []) for sure in (True, False))
    assert pixels(doubted, False) < pixels(certain, False)


def test_all_poses_are_drawn_and_none_is_allowed() -> None:
    assert drawn([], []).shape[0] < drawn([pose(True)] * 20, [pose(False)] * 20).shape[0]


def test_joints_that_were_not_found_are_left_out() -> None:
    lost = pose(True)
    lost.keypoints[3:] = np.nan
    assert pixels(drawn([lost], []), True) < pixels(drawn([pose(True)], []), True)


def test_the_same_poses_give_the_same_bytes() -> None:
    first, second = (
        draw_equal_count([pose(True)], [pose(False)], COCO17, "a", "b", "c") for _ in range(2)
    )
    assert first == second
