"""Weights on a backend: where arrays are refined, and what is remembered."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rcnet_rt import BackendError, Poses, PosesError, PosesWarning, Refiner, WeightsError
from rcnet_rt.backends.session import Session, is_on_gpu
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.inputs import MAX_POSES_IN_PACK, check, inputs_of
from rcnet_rt.rescoring.weights import Weights


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


def test_tensors_on_a_gpu_get_a_backend_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by what a session opens, since there may be no GPU here."""
    scores = SimpleNamespace(device=torch.device("cuda:1"))
    hosts = session(choice="auto"), session(choice="onnx")
    opened: list[tuple[str, str]] = []

    def open_backend(weights: Weights, name: str, device: str) -> object:
        opened.append((name, device))
        return object()

    monkeypatch.setattr("rcnet_rt.backends.session.is_on_gpu", lambda array: array is scores)
    monkeypatch.setattr("rcnet_rt.backends.session.open_backend", open_backend)
    first, again = (hosts[0]._backend_for(scores) for _ in range(2))
    assert first is again is not hosts[0].backend
    assert opened == [("torch", "cuda:1")]
    assert hosts[0]._backend_for(np.zeros(3)) is hosts[0].backend
    with pytest.raises(BackendError, match="backend onnx takes arrays of the host, got a tensor"):
        hosts[1]._backend_for(scores)
