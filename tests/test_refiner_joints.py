"""What a `Refiner` promises of joints: by example, and by rules that Hypothesis looks to break."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcnet_rt import Poses, PosesError, Refiner, WeightsError
from rcnet_rt.backends.choice import ON_CPU, missing
from rcnet_rt.workflows.export import export_onnx
from tests.helpers.networks import random_head, random_weights
from tests.test_refiner_properties import images

pytestmark = pytest.mark.filterwarnings("ignore::rcnet_rt.errors.PosesWarning")

WEIGHTS = random_weights("mlp", "signals", joints=random_head("signals"))
BACKENDS = [*(name for name in ON_CPU if not missing(name)), "torch"]
REFINERS = {name: Refiner(WEIGHTS, backend=name, device="cpu") for name in BACKENDS}


def arguments(poses: Poses) -> dict:
    return {
        "keypoints": poses.keypoints,
        "scores": poses.scores,
        "keypoint_scores": poses.keypoint_scores,
        "boxes": poses.boxes,
        "image_size": poses.image_size,
    }


@settings(max_examples=60)
@given(image=images(), backend=st.sampled_from(BACKENDS))
def test_estimates_are_probabilities_and_covariances_of_the_joints_that_were_found(image, backend):
    joints = REFINERS[backend].joints(**image)
    found = ~np.isnan(image["keypoints"]).any(axis=2)
    count = len(image["scores"])
    assert joints.confidence.shape == (count, 17)
    assert joints.covariance.shape == (count, 17, 2, 2)
    assert ((joints.confidence >= 0) & (joints.confidence <= 1)).all()
    assert (joints.confidence[~found] == 0).all()
    unknown = np.isnan(joints.covariance)
    assert (unknown.all(axis=(2, 3)) == unknown.any(axis=(2, 3))).all()
    assert unknown[~found].all()
    known = joints.covariance[~unknown.any(axis=(2, 3))]
    assert np.isfinite(known).all()
    np.testing.assert_array_equal(known[:, 0, 1], known[:, 1, 0])
    assert (known[:, 0, 0] > 0).all()
    assert (known[:, 1, 1] > 0).all()
    product = known[:, 0, 0] * known[:, 1, 1]
    assert (known[:, 0, 1] ** 2 <= product * (1 + 1e-4)).all()


@settings(max_examples=30)
@given(image=images(least=2), backend=st.sampled_from(BACKENDS), seed=st.integers(0, 99))
def test_permuted_poses_have_permuted_joints(image, backend, seed):
    order = np.random.default_rng(seed).permutation(len(image["scores"]))
    permuted = {name: v if name == "image_size" else v[order] for name, v in image.items()}
    joints, others = REFINERS[backend].joints(**image), REFINERS[backend].joints(**permuted)
    np.testing.assert_allclose(others.confidence, joints.confidence[order], atol=1e-4)
    np.testing.assert_allclose(others.covariance, joints.covariance[order], rtol=2e-2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_refined_poses_carry_the_joints(backend, random_poses):
    refiner = REFINERS[backend]
    refined, joints = refiner(random_poses), refiner.joints(**arguments(random_poses))
    np.testing.assert_array_equal(refined.joint_confidence, joints.confidence)
    np.testing.assert_array_equal(refined.joint_covariance, joints.covariance)
    np.testing.assert_array_equal(refined.scores, refiner.refine(**arguments(random_poses)))
    assert refined.keypoint_scores is random_poses.keypoint_scores
    assert refined.joint_confidence.dtype == np.float32


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_has_the_joints_of_its_images_one_by_one(backend, random_poses):
    some = [random_poses, Poses.empty(17), random_poses[:2]]
    for one, many in zip(some, REFINERS[backend].batch(some), strict=True):
        alone = REFINERS[backend](one)
        assert many.joint_covariance.shape == (len(one), 17, 2, 2)
        np.testing.assert_allclose(many.joint_confidence, alone.joint_confidence, atol=1e-5)
        np.testing.assert_allclose(many.joint_covariance, alone.joint_covariance, rtol=1e-3)


def test_tensors_give_tensors(random_poses):
    given = {
        name: torch.tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in arguments(random_poses).items()
    }
    joints = REFINERS["torch"].joints(**given)
    assert isinstance(joints.confidence, torch.Tensor)
    assert joints.covariance.dtype == torch.float32
    assert joints.covariance.shape == (5, 17, 2, 2)


def test_an_empty_image_has_no_joints():
    joints = REFINERS["torch"].joints(np.zeros((0, 17, 2), np.float32), np.zeros(0, np.float32))
    assert joints.confidence.shape == (0, 17)
    assert joints.covariance.shape == (0, 17, 2, 2)
    assert REFINERS["torch"](Poses.empty(17)).joint_confidence.shape == (0, 17)


def test_a_faulty_pose_has_no_estimates(random_poses):
    given = arguments(random_poses)
    given["scores"] = given["scores"].copy()
    given["scores"][1] = np.nan
    joints = REFINERS["torch"].joints(**given)
    assert (joints.confidence[1] == 0).all()
    assert np.isnan(joints.covariance[1]).all()
    assert (joints.confidence[0] > 0).all()


def test_weights_without_a_head_leave_the_fields_absent(random_poses):
    refiner = Refiner(random_weights("mlp", "full"), backend="torch")
    assert refiner(random_poses).joint_confidence is None
    with pytest.raises(WeightsError, match="no joint head"):
        refiner.joints(**arguments(random_poses))


def test_arrays_are_checked_as_for_refine(random_poses):
    with pytest.raises(PosesError, match="takes arrays"):
        REFINERS["torch"].joints(random_poses, random_poses.scores)
    with pytest.raises(PosesError, match="14"):
        REFINERS["torch"].joints(np.zeros((2, 14, 2)), np.zeros(2))


@pytest.mark.skipif(bool(missing("onnx")), reason="onnxruntime is missing")
def test_an_exported_file_gives_the_joints(tmp_path, random_poses):
    import onnxruntime

    export_onnx(WEIGHTS, tmp_path / "weights.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "weights.onnx")
    assert [o.name for o in session.get_outputs()][1:] == ["joint_confidence", "joint_covariance"]
    feed = {item.name: getattr(random_poses, item.name) for item in session.get_inputs()}
    scores, confidence, covariance = session.run(None, feed)
    refined = REFINERS["torch"](random_poses)
    np.testing.assert_allclose(scores, refined.scores, atol=1e-5)
    np.testing.assert_allclose(confidence, refined.joint_confidence, atol=1e-4)
    np.testing.assert_allclose(covariance, refined.joint_covariance, rtol=1e-2)
