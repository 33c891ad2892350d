"""Every kind of array that a caller may have, empty frames, and copies of a Refiner."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch

from rcnet_rt.backends.choice import ON_CPU, missing
from rcnet_rt.errors import PosesError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner, refine
from rcnet_rt.workflows.benchmark import some_poses

POSES = some_poses(4)
BACKENDS = [name for name in (*ON_CPU, "torch") if not missing(name)]


@pytest.fixture(params=BACKENDS)
def refiner(request: pytest.FixtureRequest) -> Refiner:
    return Refiner("yolo-pose", backend=request.param)


def expected(refiner: Refiner, keypoints: np.ndarray = POSES.keypoints) -> np.ndarray:
    return np.asarray(refiner.refine(keypoints, POSES.scores))


@pytest.mark.parametrize(
    ("keypoints", "scores"),
    [
        ([], []),
        ([], np.zeros(0)),
        (np.array([]), np.array([])),
        (np.zeros((0, 17, 3)), np.zeros(0)),
        (np.zeros((0, 17, 2), np.float32), np.zeros(0, np.float32)),
        (torch.tensor([]), torch.tensor([])),
        (torch.zeros((0, 17, 2)), torch.zeros(0)),
    ],
)
def test_an_empty_frame_gives_an_empty_result_of_the_same_kind(refiner, keypoints, scores):
    for result in (refiner.refine(keypoints, scores), refine(keypoints, scores)):
        assert tuple(result.shape) == (0,)
        assert isinstance(result, torch.Tensor) == isinstance(scores, torch.Tensor)


def test_empty_boxes_and_joint_scores_are_empty_too(refiner):
    assert refiner.refine([], [], keypoint_scores=[], boxes=[], image_size=(640, 480)).shape == (0,)
    assert len(refiner(Poses.empty(17)).scores) == 0


def test_no_keypoints_for_some_scores_is_told(refiner):
    with pytest.raises(PosesError, match=r"expected shape \(N, K, 2\)"):
        refiner.refine([], [0.5])


def test_masked_values_are_not_found(refiner):
    hidden = np.zeros(POSES.keypoints.shape, bool)
    hidden[:, 3] = True
    masked = np.ma.MaskedArray(np.nan_to_num(POSES.keypoints), hidden | np.isnan(POSES.keypoints))
    without = POSES.keypoints.copy()
    without[:, 3] = np.nan
    np.testing.assert_allclose(expected(refiner, masked), expected(refiner, without), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_not_rounded_by_half_precision_keypoints(refiner, dtype):
    half = torch.tensor(POSES.keypoints, dtype=dtype)
    result = refiner.refine(half, torch.tensor(POSES.scores))
    assert result.dtype == torch.float32
    given = expected(refiner, half.float().numpy())
    np.testing.assert_allclose(result.numpy(), given, atol=2e-5)
    assert refiner.refine(half, torch.tensor(POSES.scores, dtype=dtype)).dtype == dtype


def test_tensors_beside_numpy_gradients_and_layouts(refiner):
    wanted = expected(refiner)
    scores = torch.tensor(POSES.scores, requires_grad=True)
    np.testing.assert_allclose(
        refiner.refine(POSES.keypoints, scores).detach().numpy(), wanted, atol=2e-6
    )
    tensor = torch.tensor(POSES.keypoints, requires_grad=True)
    np.testing.assert_allclose(refiner.refine(tensor, POSES.scores), wanted, atol=2e-6)
    sparse = torch.nan_to_num(torch.tensor(POSES.keypoints), nan=5.0)
    dense = refiner.refine(sparse, torch.tensor(POSES.scores))
    again = refiner.refine(sparse.to_sparse(), torch.tensor(POSES.scores))
    np.testing.assert_array_equal(again.numpy(), dense.numpy())


def test_views_that_run_backwards(refiner):
    turned = refiner.refine(POSES.keypoints[::-1], POSES.scores[::-1])
    np.testing.assert_allclose(turned[::-1], expected(refiner), atol=2e-6)
    mirrored = POSES.keypoints[:, :, ::-1]
    np.testing.assert_allclose(
        refiner.refine(mirrored, POSES.scores),
        refiner.refine(mirrored.copy(), POSES.scores),
        atol=2e-6,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        POSES.keypoints + 1j,
        np.full(POSES.keypoints.shape, "1"),
        torch.zeros(POSES.keypoints.shape, device="meta"),
        torch.zeros(POSES.keypoints.shape, dtype=torch.complex64),
    ],
    ids=["complex", "text", "meta", "complex tensor"],
)
def test_what_is_no_number_is_refused(refiner, wrong):
    with pytest.raises(PosesError, match="must be arrays of numbers"):
        refiner.refine(wrong, POSES.scores)


def test_autocast_changes_nothing():
    refiner = Refiner("yolo-pose", backend="torch")
    keypoints, scores = torch.tensor(POSES.keypoints), torch.tensor(POSES.scores)
    plain = refiner.refine(keypoints, scores)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(refiner.refine(keypoints, scores).numpy(), plain.numpy())


@pytest.mark.parametrize(
    "again", [copy.deepcopy, copy.copy, lambda r: pickle.loads(pickle.dumps(r))]
)
def test_copies_give_the_same_scores_with_the_same_backend(refiner, again):
    other = again(refiner)
    assert other.backend_name == refiner.backend_name
    np.testing.assert_array_equal(expected(other), expected(refiner))


def test_another_process_refines_with_it():
    refiner = Refiner("yolo-pose")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        refined = pool.submit(refiner.refine, POSES.keypoints, POSES.scores).result(timeout=120)
    np.testing.assert_array_equal(refined, expected(refiner))
