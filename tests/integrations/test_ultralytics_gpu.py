"""Poses that ultralytics leaves on a GPU are refined there, shown with a GPU that is not there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from rcnet_rt import Poses, Refiner
from rcnet_rt.estimators.yolo.candidates import RawPredictions
from rcnet_rt.integrations import attached
from rcnet_rt.integrations import ultralytics as integration
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from tests.helpers.fake_gpu import fake_gpu
from tests.helpers.networks import random_weights

pytestmark = pytest.mark.filterwarnings("ignore")  # ultralytics' own

SIZE = (480, 640)
WEIGHTS = {
    "yolo-pose": lambda: weights_io.find("yolo-pose"),
    "generic": lambda: weights_io.find("generic"),
    "with consensus": lambda: random_weights("mlp", "signals"),
}


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "_on_gpu", type(attached._on_gpu)(maxlen=1_000))


def results(count: int, device: str, values: int = 3) -> Any:
    from ultralytics.engine.results import Results

    generator = np.random.default_rng(count)
    points = torch.tensor(generator.uniform(0, 400, (count, 17, 3)), dtype=torch.float32)
    points[..., 2] /= 400
    points[: count // 2, ::3] = 0  # not found
    boxes = torch.tensor(generator.uniform(0, 200, (count, 6)), dtype=torch.float32)
    boxes[:, 2:4] += boxes[:, :2]
    boxes[:, 4] /= 200
    return Results(
        np.zeros((*SIZE, 3), np.uint8),
        "",
        {0: "person"},
        boxes=boxes.to(device),
        keypoints=points[..., :values].to(device),
    )


def predictor(result: Any, device: str) -> Any:
    """A predictor after inference, with its candidates."""
    model = SimpleNamespace(names={0: "person"}, kpt_shape=(17, 3))
    made = SimpleNamespace(results=[result], model=model, postprocess=lambda *_: None)
    raw = RawPredictions(made)
    vars(made)[integration.RAW] = raw
    candidates = torch.rand(1, 4 + 1 + 51, 2_000).to(device)
    made.postprocess(candidates, torch.zeros(1, 3, *SIZE), None)
    return made


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("count", [0, 5])
@pytest.mark.parametrize("values", [2, 3])
def test_nothing_comes_to_the_host_before_the_scores_are_set(
    name: str, count: int, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: Weights = WEIGHTS[name]()
    hooks = integration._Hooks(Refiner(weights))
    with fake_gpu(monkeypatch) as copies:
        first, second = (predictor(results(count, "cuda", values), "cuda") for _ in range(2))
        for made in (first, second):
            copies.moves.clear()
            hooks.refine(made)
            hooks.write(made)
            (result,) = made.results
            assert result.boxes.conf.is_cuda
            assert result.boxes.conf.shape == result.boxes.raw_conf.shape == (count,)
            assert ("cuda", "cpu") not in copies.moves
        # The weights and constants are on the GPU since the first image.
        assert not copies.moves
        assert len(attached._on_gpu) == 2
        assert result.boxes.conf.cpu().device.type == "cpu"
        assert copies.moves == [("cuda", "cpu")], "a copy to the host is seen"


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("values", [2, 3])
def test_its_scores_are_those_of_the_host(name: str, values: int) -> None:
    hooks = integration._Hooks(Refiner(WEIGHTS[name](), backend="torch"))
    for count in (0, 1, 20):
        result = results(count, "cpu", values)
        result.boxes.data[:1, 4] = torch.nan  # a fault
        consensus = torch.rand(count, 9)
        expected = hooks._refined(result, consensus.numpy())
        got = hooks._refined_in_place(result, consensus)
        assert got.keys() == expected.keys()
        tolerances = {"scores": (0, 2e-6), "joint_confidence": (0, 1e-4)}
        for key, value in got.items():
            rtol, atol = tolerances.get(key, (1e-2, 1.0))  # square pixels
            torch.testing.assert_close(value, expected[key], rtol=rtol, atol=atol, equal_nan=True)


def test_poses_on_a_gpu_are_remembered_until_somebody_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = results(4, "cpu")
    refined = torch.rand(4)

    class OnGpu(torch.Tensor):
        is_cuda = True

    points = result.keypoints.data[..., :2]
    attached.remember(points, refined.as_subclass(OnGpu), result.boxes.conf)
    assert len(attached._on_gpu) == 1
    poses = Poses.from_ultralytics(result)
    raw = attached.raw_scores_of(poses.keypoints, refined.numpy())
    np.testing.assert_array_equal(raw, result.boxes.conf.numpy())
    assert not attached._on_gpu
