"""Weights with random tensors, of every architecture, for tests."""

from __future__ import annotations

import numpy as np
import torch

from rcnet_rt.models.rcnet import build
from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring import features
from rcnet_rt.rescoring.calibration import Calibration
from rcnet_rt.rescoring.joint_head import JointHead, head_shapes
from rcnet_rt.rescoring.network_config import NetworkConfig
from rcnet_rt.rescoring.weights import Weights

KINDS = [
    ("attention", "paper"),
    ("attention", "full"),
    ("mlp", "dekr"),
    ("linear", "full"),
]

EMBEDDING_SIZE = 6


def random_weights(architecture="attention", feature_set="paper", output="residual", **changes):
    """Return weights whose network is random but far from silent."""
    skeleton = changes.pop("skeleton", "coco17")
    embedding_size = EMBEDDING_SIZE if features.get(feature_set).visual else 0
    count = features.get(feature_set).size(skeletons.get(skeleton), embedding_size)
    shortcut = architecture == "attention" and feature_set in ("full", "signals")
    config = NetworkConfig(count, architecture, output, feedforward=32, shortcut=shortcut)
    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(config)
    state = {
        name: tensor + 0.2 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in network.state_dict().items()
    }
    state["standardise.deviation"] = state["standardise.deviation"].abs() + 0.5
    fields = {
        "name": "random",
        "baseline": "score_times_confidence",
        "skeleton": skeleton,
        "features": feature_set,
        "embedding_size": embedding_size,
        "network": config,
        "tensors": {name: tensor.numpy() for name, tensor in state.items()},
        "calibration": Calibration(np.array([0, 0.3, 1]), np.array([0, 0.5, 1])),
        "floor": 0.05,
        "thresholds": {"auto": 0.4, "p95": 0.7},
        "raw_threshold": 0.3,
        "family": "yolo-pose",
        "score_convention": "in [0, 1]",
        "training": {"images": [1, 2]},
    }
    return Weights(**{**fields, **changes})


def random_head(feature_set="paper", skeleton="coco17", training=None):
    """Return a joint head with random parameters for the features of `random_weights`."""
    known = skeletons.get(skeleton)
    embedding_size = EMBEDDING_SIZE if features.get(feature_set).visual else 0
    count, joints = features.get(feature_set).size(known, embedding_size), len(known.keypoints)
    rng = np.random.default_rng(2)
    tensors = {
        name: rng.normal(0, 0.15, shape).astype(np.float32)
        for name, shape in head_shapes(count, joints, 64).items()
    }
    tensors["output.bias"][joints : 2 * joints] = -7.0  # errors of a few hundredths of the size
    return JointHead(tensors, training or {})
