"""The joint head: its covariances, its tensors, and files that hold one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_head import (
    COVERED,
    JointHead,
    estimates_of,
    head_outputs,
    head_shapes,
    squared_distance,
)
from rcnet_rt.rescoring.prune_inputs import prune_signals
from rcnet_rt.rescoring.rescore import refined_joints, refined_scores
from tests.helpers.networks import random_head, random_weights

ALL_KNOWN = np.ones((50, 17), bool)


def some_outputs(count=50):
    rng = np.random.default_rng(0)
    outputs = rng.normal(0, 1.5, (count, 4, 17)).clip(-4, 4)
    outputs[:, 1] = rng.uniform(-12, -2, (count, 17))
    return outputs


def test_a_covariance_is_symmetric_positive_definite_with_the_determinant_that_it_says():
    outputs, size = some_outputs(), np.linspace(1, 400, 50)
    confidence, entries = estimates_of(outputs, size, ALL_KNOWN)
    covariance = entries.reshape(50, 17, 2, 2)
    np.testing.assert_allclose(confidence, 1 / (1 + np.exp(-outputs[:, 0])), rtol=1e-12)
    np.testing.assert_array_equal(covariance[..., 0, 1], covariance[..., 1, 0])
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    expected = size[:, None] ** 2 * np.exp(outputs[:, 1])
    np.testing.assert_allclose(np.sqrt(np.linalg.det(covariance)), expected, rtol=1e-6)


def test_joints_that_are_not_known_have_no_estimates():
    outputs, size = some_outputs(), np.linspace(1, 400, 50)
    known = np.random.default_rng(2).random((50, 17)) < 0.5
    confidence, entries = estimates_of(outputs, size, known)
    expected = estimates_of(outputs, size, ALL_KNOWN)
    np.testing.assert_array_equal(confidence[known], expected[0][known])
    np.testing.assert_array_equal(entries[known], expected[1][known])
    assert (confidence[~known] == 0).all()
    assert np.isnan(entries[~known]).all()


def test_the_distance_of_training_is_that_of_the_covariance():
    outputs, size = some_outputs(), np.full(50, 200.0)
    errors = np.random.default_rng(1).normal(0, 0.1, (50, 17, 2))
    covariance = estimates_of(outputs, size, ALL_KNOWN)[1].reshape(50, 17, 2, 2)
    pixels = errors * 200
    expected = np.einsum("pki,pkij,pkj->pk", pixels, np.linalg.inv(covariance), pixels)
    distances = squared_distance(outputs, errors) * np.exp(-outputs[:, 1])
    np.testing.assert_allclose(distances, expected, rtol=1e-6)
    assert abs(COVERED - 4.605) < 1e-3


def test_outputs_are_those_of_a_plain_loop():
    head, rng = random_head("full"), np.random.default_rng(0)
    features = rng.normal(0, 1, (3, head.tensors["layers.0.weight"].shape[1]))
    outputs = head_outputs(head.tensors, features)
    for row, given in enumerate(features):
        values = given
        for name in ("layers.0", "layers.1"):
            weight, bias = head.tensors[f"{name}.weight"], head.tensors[f"{name}.bias"]
            values = [max(float(w @ values) + float(b), 0.0) for w, b in zip(weight, bias)]  # noqa: B905
            values = np.array(values)
        raw = head.tensors["output.weight"] @ values + head.tensors["output.bias"]
        low = np.repeat([-30, -16, -4, -4], 17)
        high = np.repeat([30, 0, 4, 4], 17)
        np.testing.assert_allclose(outputs[row].reshape(-1), raw.clip(low, high), atol=1e-6)


def test_a_head_has_less_than_20_000_parameters():
    assert sum(np.prod(shape) for shape in head_shapes(102, 17, 64).values()) < 20_000


@pytest.mark.parametrize("change", ["missing", "unknown", "shape", "type"])
def test_tensors_that_do_not_fit_are_refused(change):
    tensors = dict(random_head("full").tensors)
    if change == "missing":
        del tensors["layers.1.bias"]
    elif change == "unknown":
        tensors["more"] = np.zeros(3, np.float32)
    elif change == "shape":
        tensors["output.bias"] = np.zeros(4 * 14, np.float32)
    else:
        tensors["output.bias"] = tensors["output.bias"].astype(np.float64)
    with pytest.raises(WeightsError, match="joint head: tensor"):
        random_weights("mlp", "full", joints=JointHead(tensors))


def test_a_value_that_is_not_finite_is_refused():
    tensors = dict(random_head("full").tensors)
    tensors["output.bias"] = np.full_like(tensors["output.bias"], np.nan)
    with pytest.raises(WeightsError, match=r"joints\.output\.bias.*not finite"):
        random_weights("mlp", "full", joints=JointHead(tensors))


def test_a_file_keeps_the_head_and_is_of_a_format_that_older_programs_refuse(tmp_path):
    head = random_head("full", training={"recipe": {"width": 64}})
    weights = random_weights("mlp", "full", joints=head)
    weights_io.save(weights, tmp_path / "with.safetensors")
    weights_io.save(replace(weights, joints=None), tmp_path / "without.safetensors")
    loaded = weights_io.load(tmp_path / "with.safetensors")
    assert loaded.joints is not None
    assert loaded.joints.training == {"recipe": {"width": 64}}
    assert loaded.joints.tensors.keys() == head.tensors.keys()
    for name, tensor in head.tensors.items():
        np.testing.assert_array_equal(loaded.joints.tensors[name], tensor)
    assert loaded.tensors.keys() == weights.tensors.keys()
    assert weights_io.load(tmp_path / "without.safetensors").joints is None
    for name, version in {"with": 2, "without": 1}.items():
        with safe_open(tmp_path / f"{name}.safetensors", framework="numpy") as file:
            assert json.loads(file.metadata()["rcnet_rt"])["format"] == version


def test_a_head_without_a_network_is_refused():
    with pytest.raises(WeightsError, match="needs a network"):
        replace(weights_io.find("formula:score"), joints=random_head("full"))


def test_signals_that_are_not_known_can_be_pruned_from_the_head():
    weights = random_weights("mlp", "signals", joints=random_head("signals"))
    rng = np.random.default_rng(0)
    inputs = PoseInputs(rng.uniform(0, 300, (8, 17, 2)), rng.random(8), rng.random((8, 17)))
    network = lambda features, baseline, image: 1 / (1 + np.exp(-baseline))  # noqa: E731
    full = refined_joints(inputs, weights, network)
    pruned = refined_joints(inputs, prune_signals(weights), network)
    np.testing.assert_allclose(pruned[2].confidence, full[2].confidence, atol=1e-5)
    np.testing.assert_allclose(pruned[2].covariance, full[2].covariance, rtol=1e-4)
    np.testing.assert_array_equal(refined_scores(inputs, weights, network)[0], full[0])
    assert np.ptp(full[2].confidence) > 0.3
