"""The joint head on every backend: the reference's numbers, and scores that do not change."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rcnet_rt.backends.choice import ON_CPU, missing, open_backend
from rcnet_rt.backends.onnx_graph import exported_graph
from rcnet_rt.errors import WeightsError
from rcnet_rt.models import rcnet
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.joint_head import JOINT_OUTPUTS
from rcnet_rt.rescoring.rescore import refined_joints
from rcnet_rt.rescoring.score_reference import ScoreReference
from tests.backends.test_backends import BEST, COUNTS, OPTIONAL, given_poses
from tests.helpers.networks import random_head, random_weights

RANDOM = {
    f"{architecture} {feature_set} {skeleton}": random_weights(
        architecture, feature_set, skeleton=skeleton, joints=random_head(feature_set, skeleton)
    )
    for architecture, feature_set, skeleton in [
        ("mlp", "signals", "coco17"),
        ("attention", "full", "coco17"),
        ("linear", "confidence", "coco17"),
        ("mlp", "paper+visual", "coco17"),
        ("attention", "signals", "crowdpose14"),
    ]
}
SHIPPED = {
    name: weights
    for name, path in sorted(weights_io.available().items())
    if (weights := weights_io.load(path)).joints is not None
}
ALL = RANDOM | SHIPPED
on_cpu = pytest.mark.parametrize("kind", [*(name for name in ON_CPU if not missing(name)), "torch"])


def reference(weights, given):
    """The step in torch, in double precision except for the score network."""
    network = rcnet.from_weights(weights)

    def scores(features, baseline, image_index):
        return network(features.float(), baseline.float(), image_index.float()).double()

    with torch.inference_mode():
        return refined_joints(given.map(torch.tensor), weights, scores)


def assert_equal(joints, expected, tolerance):
    confidence, covariance = (np.asarray(a) for a in (joints.confidence, joints.covariance))
    wanted = expected.covariance.numpy()
    np.testing.assert_allclose(confidence, expected.confidence.numpy(), rtol=0, atol=tolerance)
    np.testing.assert_array_equal(np.isnan(covariance), np.isnan(wanted))
    scale = np.sqrt(wanted[..., 0, 0] * wanted[..., 1, 1])[..., None, None]
    difference = np.nan_to_num(np.abs(covariance - wanted) / scale)
    assert difference.max(initial=0) < 100 * tolerance


@on_cpu
@pytest.mark.parametrize("name", ALL)
def test_a_backend_on_the_cpu_gives_the_joints_of_the_reference(kind, name):
    weights = ALL[name]
    backend = open_backend(weights, kind, "cpu")
    for seed, count in enumerate(COUNTS):
        given = given_poses(weights, count, seed=seed)
        images = np.sort(np.random.default_rng(seed).integers(0, 9, count)).astype(float)
        for some in (given, given._replace(image_index=images)):
            result, (_, faulty, expected) = backend.with_joints(some), reference(weights, some)
            np.testing.assert_array_equal(np.asarray(result.faulty), faulty.numpy())
            assert_equal(
                result.joints, expected, {"numba": 1e-5, "onnx": 3e-4, "torch": 1e-9}[kind]
            )


@on_cpu
@pytest.mark.parametrize("optional", [(), ("keypoint_scores",), ("boxes",), OPTIONAL])
@pytest.mark.parametrize("name", ALL)
def test_the_scores_are_those_without_a_head_to_the_bit(kind, name, optional):
    weights = ALL[name]
    given = given_poses(weights, 100, optional)
    alone = open_backend(replace(weights, joints=None), kind, "cpu")(given)
    backend = open_backend(weights, kind, "cpu")
    for result in (backend(given), backend.with_joints(given)):
        np.testing.assert_array_equal(np.asarray(result.scores), np.asarray(alone.scores))


@on_cpu
def test_joints_follow_a_score_reference(kind):
    weights = random_weights(
        "linear", "confidence", baseline="expected_rank", joints=random_head("confidence")
    )
    scale = ScoreReference(np.array([0.1, 0.5, 0.9]), np.array([9.0, 2.0, 0.5]), 0.4)
    given = given_poses(weights, 20)._replace(reference=scale)
    result = open_backend(weights, kind, "cpu").with_joints(given)
    assert_equal(result.joints, reference(weights, given)[2], 1e-4)


@on_cpu
def test_weights_without_a_head_say_so(kind):
    weights = random_weights("mlp", "full")
    with pytest.raises(WeightsError, match="no joint head"):
        open_backend(weights, kind, "cpu").with_joints(given_poses(weights, 3))


def test_a_baseline_has_no_head():
    weights = weights_io.find("formula:score")
    with pytest.raises(WeightsError, match="no joint head"):
        open_backend(weights).with_joints(given_poses(weights, 3, ()))


@pytest.mark.skipif(BEST == "cpu", reason="no GPU")
def test_a_gpu_gives_the_joints_of_the_reference():
    weights = RANDOM["mlp signals coco17"]
    backend = open_backend(weights, "torch", BEST)
    for count in (1, 20, 300):
        given = given_poses(weights, count, seed=count)
        joints = backend.with_joints(given).joints
        moved = type(joints)(joints.confidence.cpu(), joints.covariance.cpu())
        assert_equal(moved, reference(weights, given)[2], 1e-4)


def test_the_exported_graph_has_two_more_outputs():
    weights = RANDOM["mlp signals coco17"]
    model = exported_graph(weights, {})
    shapes = {
        output.name: [
            size.dim_param or size.dim_value for size in output.type.tensor_type.shape.dim
        ]
        for output in model.graph.output
    }
    assert list(shapes) == ["refined_scores", *JOINT_OUTPUTS]
    assert shapes["joint_confidence"] == ["N", 17]
    assert shapes["joint_covariance"] == ["N", 17, 2, 2]
    plain = exported_graph(replace(weights, joints=None), {})
    assert [output.name for output in plain.graph.output] == ["refined_scores"]
