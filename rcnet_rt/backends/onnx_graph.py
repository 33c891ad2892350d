"""The whole step as an ONNX graph: packing, baseline score, features, network, calibration, floor.

It is not written here but traced from `rescoring.rescore`, the reference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx

from rcnet_rt.backends.onnx_builder import Graph
from rcnet_rt.backends.onnx_network import TracedNetwork
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.arrays import namespace
from rcnet_rt.poses.fields import INPUTS, SIGNALS, shape_of
from rcnet_rt.rescoring.batch import extent
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_head import JOINT_OUTPUTS, JointEstimates
from rcnet_rt.rescoring.prune_inputs import prune_signals
from rcnet_rt.rescoring.rescore import refined_joints, refined_scores
from rcnet_rt.rescoring.weights import Weights

__all__ = ["exported_graph", "joint_graph", "network_graph", "step_graph"]

Shape = tuple[str | int, ...]


def step_graph(weights: Weights, given: Collection[str], real: Any = np.float32) -> onnx.ModelProto:
    """Return the ONNX model that refines; its outputs are `refined_scores` and `faulty`, (N,).

    Args:
        weights: with a network.
        given: the fields of `PoseInputs` that it takes; those that it does not need are left out.
        real: type of the inputs and of all that is not the network.

    Raises:
        WeightsError: the weights are a baseline.
    """
    graph, weights, inputs = _step(weights, given, real)
    refined, faulty = refined_scores(inputs, weights, TracedNetwork(weights))
    return graph.model(weights.name, {"refined_scores": refined, "faulty": faulty}, {})


def joint_graph(
    weights: Weights, given: Collection[str], real: Any = np.float32
) -> onnx.ModelProto:
    """Return the model of `step_graph` with the outputs of `JOINT_OUTPUTS` after its own.

    Raises:
        WeightsError: the weights have no joint head.
    """
    graph, weights, inputs = _step(weights, given, real)
    refined, faulty, joints = refined_joints(inputs, weights, TracedNetwork(weights))
    outputs = {"refined_scores": refined, "faulty": faulty, **_named(joints)}
    return graph.model(weights.name, outputs, {}, _joint_shapes(weights))


def _step(weights: Weights, given: Collection[str], real: Any) -> tuple[Graph, Weights, PoseInputs]:
    """Return an empty graph, the weights that it needs, and its inputs."""
    if not set(SIGNALS) & set(given):
        weights = prune_signals(weights)
    graph, shapes = Graph(real), input_shapes(weights)
    inputs: dict[str, Any] = {
        name: graph.input(name, shapes[name]) for name in shapes if name in given
    }
    return graph, weights, PoseInputs(**inputs)


def _named(joints: JointEstimates) -> dict[str, Any]:
    return dict(zip(JOINT_OUTPUTS, (joints.confidence, joints.covariance), strict=True))


def _joint_shapes(weights: Weights) -> dict[str, Shape]:
    joints = _joint_count(weights)
    shapes: tuple[Shape, Shape] = (("N", joints), ("N", joints, 2, 2))
    return dict(zip(JOINT_OUTPUTS, shapes, strict=True))


def network_graph(weights: Weights) -> onnx.ModelProto:
    """Return the ONNX model of the network alone: output `scores` (N,).

    Raises:
        WeightsError: the weights are a baseline.
    """
    graph, network = Graph(np.float64), TracedNetwork(weights)
    shapes: dict[str, Shape] = {
        "features": ("N", network.config.feature_count),
        "baseline": ("N",),
        "image_index": ("N",),
    }
    inputs = {name: graph.input(name, shape) for name, shape in shapes.items()}
    return graph.model(weights.name, {"scores": network(**inputs)}, {})


def exported_graph(
    weights: Weights, notes: Mapping[str, str], signals: Collection[str] = ()
) -> onnx.ModelProto:
    """Return the ONNX model for use without Python: float32, output `refined_scores` (N,).

    Of weights with a joint head `JOINT_OUTPUTS` follow: `joint_confidence` (N, K) and
    `joint_covariance` (N, K, 2, 2).

    Every input that the weights use must be given; NaN stands for what is not known: a joint score,
    a box, a signal, an embedding. Only these signals are inputs; others are as if not known.

    Raises:
        WeightsError: the weights are a baseline.
    """
    if not signals:
        weights = prune_signals(weights)
    graph, network = Graph(np.float32), TracedNetwork(weights)
    shapes = input_shapes(weights)
    inputs: dict[str, Any] = {
        name: graph.input(name, shapes[name])
        for name in shapes
        if name != "image_index" and (name not in SIGNALS or name in signals)
    }
    given = _nan_as_absent(PoseInputs(**inputs))
    if weights.joints is None:
        refined, _ = refined_scores(given, weights, network)
        return graph.model(weights.name, {"refined_scores": refined}, notes)
    refined, _, joints = refined_joints(given, weights, network)
    outputs = {"refined_scores": refined, **_named(joints)}
    return graph.model(weights.name, outputs, notes, _joint_shapes(weights))


def _nan_as_absent(inputs: PoseInputs) -> PoseInputs:
    """Put in the place of NaN what `rescoring.batch.fill` puts in that of an absent input."""
    xp = namespace(inputs.keypoints)
    found = ~xp.isnan(inputs.keypoints).any(axis=2)
    no_box = xp.isnan(inputs.boxes).any(axis=1)[:, None]
    scores = inputs.keypoint_scores
    return inputs._replace(
        keypoint_scores=xp.where(xp.isnan(scores), 1.0, scores),
        boxes=xp.where(no_box, extent(inputs.keypoints, found), inputs.boxes),
    )


def input_shapes(weights: Weights) -> dict[str, Shape]:
    """Return the shapes of all inputs that a step can read."""
    joints = _joint_count(weights)
    shapes: dict[str, Shape] = {
        field.name: ("N", *shape_of(field, joints, weights.embedding_size)) for field in INPUTS
    }
    return shapes | {"image_index": ("N",)}


def _joint_count(weights: Weights) -> int:
    assert weights.skeleton is not None
    return len(skeletons.get(weights.skeleton).keypoints)
