"""The networks of `models.rcnet` for a compiled function on a CPU, in float32 as there."""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from rcnet_rt.backends.numba_cache import jit
from rcnet_rt.rescoring.constants import LAYER_NORM_EPSILON

__all__ = ["ARCHITECTURES", "Network", "add", "layer", "logits", "rectify"]

ARCHITECTURES = ("linear", "mlp", "attention")
MLP, ATTENTION = ARCHITECTURES.index("mlp"), ARCHITECTURES.index("attention")


class Network(NamedTuple):
    """What a network is made of.

    Layers are (inputs, outputs), both filled up with zeros to multiples of 4; what an architecture
    lacks is a layer of zeros. `direct` leads from the features to the head.
    """

    architecture: int
    hidden: int
    weight: np.ndarray
    bias: np.ndarray
    middle: np.ndarray
    middle_bias: np.ndarray
    in_weight: np.ndarray
    in_bias: np.ndarray
    out_weight: np.ndarray
    out_bias: np.ndarray
    norm1: np.ndarray
    norm1_bias: np.ndarray
    up: np.ndarray
    up_bias: np.ndarray
    down: np.ndarray
    down_bias: np.ndarray
    norm2: np.ndarray
    norm2_bias: np.ndarray
    head: np.ndarray
    head_bias: np.ndarray
    direct: np.ndarray


@jit
def layer(values, weight, bias):
    """Return a linear layer (P, I) -> (P, O); a block of 4 x 4 serves 16 products."""
    count, inputs, outputs = len(values), len(weight), len(bias)
    result = np.empty((count, outputs), np.float32)
    for p in range(0, count, 4):
        for o in range(outputs):
            result[p, o] = result[p + 1, o] = result[p + 2, o] = result[p + 3, o] = bias[o]
        for i in range(0, inputs, 4):
            a0, a1, a2, a3 = values[p, i], values[p, i + 1], values[p, i + 2], values[p, i + 3]
            q = p + 1
            b0, b1, b2, b3 = values[q, i], values[q, i + 1], values[q, i + 2], values[q, i + 3]
            q = p + 2
            c0, c1, c2, c3 = values[q, i], values[q, i + 1], values[q, i + 2], values[q, i + 3]
            q = p + 3
            d0, d1, d2, d3 = values[q, i], values[q, i + 1], values[q, i + 2], values[q, i + 3]
            for o in range(outputs):
                w0, w1, w2, w3 = weight[i, o], weight[i + 1, o], weight[i + 2, o], weight[i + 3, o]
                result[p, o] += a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                result[p + 1, o] += b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
                result[p + 2, o] += c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
                result[p + 3, o] += d0 * w0 + d1 * w1 + d2 * w2 + d3 * w3
    return result


@jit
def rectify(values):
    """Raise what is negative to 0, in place."""
    for p in range(values.shape[0]):
        for k in range(values.shape[1]):
            values[p, k] = max(values[p, k], np.float32(0))


@jit
def add(values, more):
    """Add to the values, in place."""
    for p in range(values.shape[0]):
        for k in range(values.shape[1]):
            values[p, k] += more[p, k]


@jit
def _normalise(values, scale, bias, hidden):
    """Layer normalisation over the first `hidden` columns; the others stay 0."""
    for p in range(len(values)):
        total, squares = 0.0, 0.0
        for k in range(hidden):
            total += values[p, k]
        mean = total / hidden
        for k in range(hidden):
            squares += (values[p, k] - mean) * (values[p, k] - mean)
        deviation = sqrt(squares / hidden + LAYER_NORM_EPSILON)
        for k in range(hidden):
            values[p, k] = (values[p, k] - mean) / deviation * scale[k] + bias[k]


@jit
def _attend(projected, image_index, hidden, width):
    """One head of attention, (P, 3H) -> (P, width), among the poses of each image."""
    count = len(image_index)
    seen = np.zeros((len(projected), width), np.float32)
    share = np.empty(count)
    for pose in range(count):
        most, total = -np.inf, 0.0
        for other in range(count):
            if image_index[other] == image_index[pose]:
                likeness = 0.0
                for k in range(hidden):
                    likeness += projected[pose, k] * projected[other, hidden + k]
                share[other] = likeness / sqrt(hidden)
                most = max(most, share[other])
        for other in range(count):
            if image_index[other] == image_index[pose]:
                share[other] = exp(share[other] - most)
                total += share[other]
        for other in range(count):
            if image_index[other] == image_index[pose]:
                part = share[other] / total
                for k in range(hidden):
                    seen[pose, k] += part * projected[other, 2 * hidden + k]
    return seen


@jit
def logits(network, standard, image_index):
    """Return (P,) logits, without a base, of standardised features, which come in rows of 4."""
    hidden = network.hidden
    wide = layer(standard, network.weight, network.bias)
    if network.architecture == MLP:
        rectify(wide)
        wide = layer(wide, network.middle, network.middle_bias)
        rectify(wide)
    elif network.architecture == ATTENTION:
        projected = layer(wide, network.in_weight, network.in_bias)
        seen = _attend(projected, image_index, hidden, wide.shape[1])
        add(wide, layer(seen, network.out_weight, network.out_bias))
        _normalise(wide, network.norm1, network.norm1_bias, hidden)
        inner = layer(wide, network.up, network.up_bias)
        rectify(inner)
        add(wide, layer(inner, network.down, network.down_bias))
        _normalise(wide, network.norm2, network.norm2_bias, hidden)
    result = np.empty(len(image_index))
    for pose in range(len(image_index)):
        logit = network.head_bias[0]
        for k in range(wide.shape[1]):
            logit += wide[pose, k] * network.head[k]
        for k in range(standard.shape[1]):
            logit += standard[pose, k] * network.direct[k]
        result[pose] = logit
    return result
