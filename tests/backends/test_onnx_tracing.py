"""Traced arrays write few nodes, and their graph gives NumPy's numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rcnet_rt.backends.onnx_builder import Graph
from rcnet_rt.poses.arrays import namespace

pytest.importorskip("onnxruntime")
from rcnet_rt.backends.onnx import Session

Written = Callable[[Any], Any]


def relu(array: Any) -> Any:
    return array.clip(0, None)


def bounded(array: Any) -> Any:
    return array.clip(-0.5, 0.5)


def nested(array: Any) -> Any:
    xp = namespace(array)
    inner = xp.concatenate([array, array + 1], 1)
    return xp.concatenate([xp.concatenate([inner, array], 1), inner], 1)


def across(array: Any) -> Any:
    xp = namespace(array)
    return xp.concatenate([xp.concatenate([array, array], 0)] * 2, 1)


def reshaped(array: Any) -> Any:
    return array.reshape(-1, 3, 2).reshape(-1, 2, 3).reshape(-1, 6)


def swapped(array: Any) -> Any:
    points = array.reshape(-1, 3, 2)
    return points.swapaxes(1, 2).reshape(-1, points.shape[1] * points.shape[2])


@pytest.mark.parametrize(
    ("written", "nodes"),
    [
        (relu, {"Relu": 1}),
        (bounded, {"Clip": 1}),
        (nested, {"Add": 1, "Concat": 1}),
        (across, {"Concat": 2}),
        (reshaped, {"Reshape": 1}),
        (swapped, {"Reshape": 2, "Transpose": 1}),
    ],
)
def test_a_graph_of_few_nodes_gives_the_numbers_of_numpy(
    written: Written, nodes: dict[str, int]
) -> None:
    array = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    expected, graph = written(array), Graph()
    outputs = {"out": written(graph.input("array", ("N", 6)))}
    model = graph.model("test", outputs, {}, {"out": ("M", *expected.shape[1:])})
    assert Counter(node.op_type for node in model.graph.node) == nodes | {"Identity": 1}
    assert len({node.name for node in model.graph.node} - {""}) == len(model.graph.node)
    (out,) = Session(model)({"array": array})
    np.testing.assert_array_equal(out, expected)
