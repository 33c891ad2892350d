"""Weights on a backend: where arrays are refined, and what is remembered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rcnet_rt import Poses, PosesError, PosesWarning, Refiner, WeightsError
from rcnet_rt.backends.session import Session, is_on_gpu
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.inputs import MAX_POSES_IN_PACK, check, inputs_of


def session(weights: str = "yolo-pose", choice: str = "onnx") -> Session:
    return Session(weights_io.find(weights), choice, "cpu")


def test_scores_are_those_of_the_refiner(random_poses: Poses) -> None:
    opened = session()
    inputs = inputs_of(random_poses)
    result = opened.refine(inputs, inputs.scores, "raise")
    expected = Refiner("yolo-pose", backend="onnx")(random_poses).scores
    np.testing.assert_array_equal(np.float32(result.scores), expected)
    assert (opened.backend.name, opened.reason) == ("onnx", "as chosen")
    assert opened.max_poses == MAX_POSES_IN_PACK["cpu"]


def test_what_was_returned_is_known_again(random_poses: Poses) -> None:
    opened = session()
    refined = Refiner("yolo-pose")(random_poses).scores
    opened.returned(random_poses.scores, refined)
    again = inputs_of(Poses(random_poses.keypoints, refined))
    with pytest.raises(PosesError, match="refining twice"):
        opened.refine(again, refined, "raise")
    with pytest.warns(PosesWarning, match="refining twice"):
        opened.refine(again, refined, "warn")
    opened.refine(again, refined, "ignore")


def test_poses_and_weights_have_to_fit(random_poses: Poses) -> None:
    opened = session("formula:score", "auto")
    assert opened.reason == "a baseline needs no network"
    inputs = inputs_of(random_poses)
    with pytest.raises(WeightsError, match="joint head"):
        opened.refine_with_joints(inputs, inputs.scores, "warn")
    fewer = check(inputs_of(Poses(np.zeros((1, 14, 2)), [0.5])))
    with pytest.raises(PosesError, match="17 keypoints, got poses of 14"):
        session().refine(fewer, fewer.scores, "warn")


def test_only_cuda_tensors_are_on_a_gpu() -> None:
    assert not is_on_gpu(np.zeros(3))
    assert not is_on_gpu(torch.zeros(3))
    if torch.cuda.is_available():
        assert is_on_gpu(torch.zeros(3, device="cuda"))
