"""Weights are read at once; the refiner opens in the background, and its errors arrive in time."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from rcnet_rt import refiner
from rcnet_rt.errors import BackendError, WeightsError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.workflows.scoring import Scoring, load_scoring


class OnePerson:
    name, family, skeleton = "one person", "yolo-pose", COCO17

    def estimate(self, image_bgr: np.ndarray) -> Poses:
        raise NotImplementedError


def load(weights: str = "yolo-pose", backend: str = "onnx") -> Scoring:
    return load_scoring(weights, "auto", family="yolo-pose", device="cpu", backend=backend)


def test_the_refiner_opens_in_the_background(
    monkeypatch: pytest.MonkeyPatch, random_poses: Poses
) -> None:
    may_open, opened_by = threading.Event(), []

    class Slow(refiner.Refiner):
        def __init__(self, *arguments: object, **options: object) -> None:
            assert may_open.wait(30)
            opened_by.append(threading.current_thread())
            super().__init__(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(refiner, "Refiner", Slow)
        scoring = load()
    assert (scoring.name, scoring.floor, opened_by) == ("yolo-pose", scoring.weights.floor, [])
    may_open.set()
    scoring.check(OnePerson())
    assert opened_by != [threading.main_thread()]
    expected = refiner.Refiner("yolo-pose", backend="onnx", device="cpu")(random_poses)
    np.testing.assert_array_equal(scoring.refine(random_poses).scores, expected.scores)
    assert scoring.backend == "onnx"


@pytest.mark.parametrize("weights", ["yolo-pose", "formula:mean_confidence", "none"])
def test_several_images_have_the_scores_that_each_has_alone(
    weights: str, random_poses: Poses
) -> None:
    scoring = load(weights)
    faulty = random_poses.with_scores([np.nan, *random_poses.scores[1:]])
    images = [random_poses, Poses.empty(17), replace(faulty, raw_scores=None), random_poses[:1]]
    for refined, image in zip(scoring.refine_batch(images), images, strict=True):
        alone = scoring.refine(image)
        np.testing.assert_allclose(refined.scores, alone.scores, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(refined.raw_scores, alone.raw_scores)


def test_a_backend_that_does_not_work_is_told_by_the_check() -> None:
    scoring = load(backend="nonsense")
    with pytest.raises(BackendError, match="unknown backend 'nonsense'"):
        scoring.check(OnePerson())


def test_weights_that_are_unknown_are_told_at_once() -> None:
    with pytest.raises(WeightsError, match="nonsense"):
        load("nonsense")


def test_scores_that_stay_as_they_are(random_poses: Poses) -> None:
    scoring = load("none")
    scoring.check(OnePerson())
    refined = scoring.refine(random_poses)
    np.testing.assert_array_equal(refined.scores, random_poses.scores)
    assert (scoring.name, scoring.backend, scoring.is_baseline) == ("none", "none", False)
