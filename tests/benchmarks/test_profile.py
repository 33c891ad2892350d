"""The study of a camera's profile: shifts move people along; errors are those of plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studies.profile.__main__ import Camera, errors, intervals
from benchmarks.studies.profile.shifts import (
    CHOSEN_ON,
    REPORTED,
    SHIFTS,
    shifted_image,
    shifted_persons,
)
from rcnet_rt.datasets.coco import Persons
from rcnet_rt.evaluation.guarantees import ScoredImages
from rcnet_rt.rescoring.correct_probability import CorrectProbability

SIZE = (200, 120)
LEARNED = CorrectProbability((1.0, 1.0, 0.0), ((0.0,) * 3,) * 3, 0.5, 0.8, 0.05, 100)


def person(x: float, y: float) -> Persons:
    """One joint at a point, in a box of 40 by 40."""
    return Persons(
        keypoints=np.array([[[x, y]]]),
        visible=np.ones((1, 1), np.bool_),
        occluded=np.zeros((1, 1), np.bool_),
        areas=np.array([800.0]),
        boxes=np.array([[x - 20, y - 20, x + 20, y + 20]]),
        iscrowd=np.zeros(1, np.bool_),
        ignore=np.zeros(1, np.bool_),
        annotation_ids=np.array([7]),
    )


@pytest.mark.parametrize("name", ["none", "small", "large", "rotation"])
def test_people_move_with_their_pixels(name: str) -> None:
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[43:48, 118:123] = 255
    shifted = shifted_image(name, image, 0)
    assert shifted.shape == image.shape
    rows, columns = np.nonzero(shifted[..., 0] > 200)
    moved = shifted_persons(name, person(120.0, 45.0), SIZE)
    np.testing.assert_allclose(moved.keypoints[0, 0], [columns.mean(), rows.mean()], atol=1)
    scale = {"small": 0.4, "large": 1.6}.get(name, 1.0)
    assert moved.areas[0] == pytest.approx(800 * scale**2)
    center = moved.boxes[0].reshape(2, 2).mean(axis=0)
    np.testing.assert_allclose(center, moved.keypoints[0, 0], atol=1e-6)


def test_who_leaves_the_image_does_not_count() -> None:
    assert len(shifted_persons("large", person(5.0, 5.0), SIZE)) == 0
    turned = shifted_persons("rotation", person(2.0, 118.0), SIZE)
    assert turned.ignore.tolist() == [True]


@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_a_shift_is_reproducible_and_keeps_the_size(name: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    shifted = shifted_image(name, image, 3)
    assert (shifted.shape, shifted.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(shifted, shifted_image(name, image, 3))
    assert (shifted != image).any() == (name != "none")


def test_every_shift_is_either_chosen_on_or_reported() -> None:
    assert {*CHOSEN_ON, *REPORTED} == set(SHIFTS)
    assert not {*CHOSEN_ON} & {*REPORTED}


def camera(seed: int, shift: float = 0.0) -> Camera:
    """Poses that are right with the probability that is learned, or with other log-odds."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.05, 0.95, 2000)
    odds = LEARNED.log_odds(scores)[0] + shift
    oks = np.where(rng.uniform(size=2000) < 1 / (1 + np.exp(-odds)), 0.9, 0.1)
    people = np.full(400, round((oks > 0.5).sum() / 0.8 / 400))
    return Camera(ScoredImages(scores, oks, np.arange(2000) % 400, people), LEARNED)


def test_errors_are_those_of_a_plain_loop() -> None:
    cameras = [camera(0, 0.5), camera(1, 0.5)]
    curves = [each.curve(0.0) for each in cameras]
    wrong, recall = [], []
    for index, threshold in enumerate(curves[0].thresholds):
        right = kept = expected = found = people = 0.0
        for each, curve in zip(cameras, curves, strict=True):
            above = each.images.scores >= threshold
            kept += above.sum()
            right += (each.images.oks[above] >= 0.5).sum()
            if above.any():
                expected += curve.precision.value[index] * above.sum()
            found += np.nan_to_num(curve.recall.value[index]) * each.people
            people += each.people
        if kept >= 50 and 0.5 <= right / kept <= 0.97:
            wrong.append(100 * (expected - right) / kept)
            recall.append(100 * (found - right) / people)
    figures = errors(cameras, curves)
    assert abs(figures["precision_largest"]) == pytest.approx(max(map(abs, wrong)))
    assert figures["precision_mean"] == pytest.approx(np.mean(np.abs(wrong)))
    assert abs(figures["recall_largest"]) == pytest.approx(max(map(abs, recall)))
    assert figures["precision_largest"] < -3, "right poses are more than was learned"
    same = [camera(2), camera(3)]
    assert abs(errors(same, [each.curve(0.0) for each in same])["precision_largest"]) < 3


def test_intervals_hold_what_they_should() -> None:
    assert intervals([camera(4), camera(5)])["precision_inside"] >= 0.9
    assert intervals([camera(6, -2.0), camera(7, -2.0)])["precision_inside"] < 0.5
