"""Numba: the whole step as one compiled function on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from rcnet_rt.backends import (
    best_without_numba,
    numba_baselines,
    numba_features,
    numba_kernel,
    numba_network,
    open_backend,
)
from rcnet_rt.backends.flat_weights import flat_weights
from rcnet_rt.backends.numba_baselines import BASES
from rcnet_rt.backends.numba_cache import compiled, stamp
from rcnet_rt.backends.numba_features import FEATURES
from rcnet_rt.backends.numba_kernel import Rules
from rcnet_rt.backends.numba_network import ARCHITECTURES, Network
from rcnet_rt.poses import arrays, boxes, skeletons
from rcnet_rt.poses.arrays import Array
from rcnet_rt.rescoring import (
    baselines,
    batch,
    features,
    network_config,
    nms_consensus,
    rescore,
    score_reference,
)
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from rcnet_rt.rescoring.weights import Weights

__all__ = ["NumbaBackend"]

FEW = 256  # poses, for which what stands for absent arrays is kept
LAYERS = ("middle", "in_weight", "out_weight", "up", "down")
# What the kernel is made of.
SOURCES = (
    arrays,
    boxes,
    nms_consensus,
    features,
    baselines,
    network_config,
    numba_features,
    numba_baselines,
    numba_kernel,
    numba_network,
    batch,
    score_reference,
    rescore,
)


class NumbaBackend:
    """Runs the step in a compiled function; gives NumPy arrays.

    It is compiled at the first use on a machine, which takes some seconds, and kept by Numba. Poses
    with a reference go to the next best backend.
    """

    name = "numba"
    device = "cpu"

    def __init__(self, weights: Weights) -> None:
        self._rules, self._network = _rules(weights), _network(weights)
        self._step = _step(*map(numba.typeof, (self._rules, self._network)))
        other = best_without_numba()[0]
        self._with_reference = open_backend(weights, other) if weights.uses_reference else None
        self._embedding_size = weights.embedding_size

    def __call__(self, given: PoseInputs) -> tuple[Array, Array]:
        """Refine the poses; see `Backend`."""
        if given.reference is not None and self._with_reference is not None:
            return self._with_reference(given)
        count, joints = given.keypoints.shape[:2]
        embeddings = given.embeddings if self._embedding_size else None
        arrays = (
            _doubles(given.keypoints),
            _doubles(given.scores),
            _doubles(given.keypoint_scores, (count, joints), 1.0),
            _doubles(given.boxes, (0, 4)),
            _doubles(given.consensus, (count, len(CONSENSUS)), np.nan),
            _doubles(given.agreement, (count,), np.nan),
            _doubles(embeddings, (count, self._embedding_size), np.nan),
            _doubles(given.image_index, (count,), 0.0),
        )
        refined, faulty = self._step(arrays, self._rules, self._network)
        return refined, faulty


def _doubles(
    array: Array | None, shape: tuple[int, ...] = (), absent: float = 0.0
) -> npt.NDArray[np.float64]:
    """Return it as the kernel takes it, or that shape of what stands for an absent one."""
    if array is None:
        return _absent(shape, absent) if shape[0] <= FEW else np.full(shape, absent)
    contiguous = np.ascontiguousarray(array, np.float64)
    return contiguous if contiguous.flags.writeable else contiguous.copy()


@lru_cache(maxsize=256)
def _absent(shape: tuple[int, ...], value: float) -> npt.NDArray[np.float64]:
    return np.full(shape, value)


@lru_cache
def _step(rules: Any, network: Any) -> Callable[..., tuple[Array, Array]]:
    """Return the kernel, compiled for parameters of these types."""
    own = stamp(SOURCES)

    def the_step(given, rules, network):  # type: ignore[no-untyped-def]
        _ = own
        return numba_kernel.refine(given, rules, network)

    shapes = (3, 1, 2, 2, 2, 1, 2, 1)
    given = types.Tuple([types.Array(types.float64, dimensions, "C") for dimensions in shapes])  # type: ignore[no-untyped-call]
    return compiled(the_step, (given, rules, network))


def _rules(weights: Weights) -> Rules:
    assert weights.skeleton is not None
    baseline, tensors = baselines.get(weights.baseline), flat_weights(weights)
    vectors = ("mean", "deviation", "start", "width", "rise")
    return Rules(
        baseline=BASES.index(weights.baseline),
        bounded=baseline.bounded,
        least=float(baseline.least),
        baseline_scale=float(weights.baseline_scale),
        residual=weights.network_config().output == "residual",
        features=FEATURES[weights.features],
        floor=float(weights.floor),
        unit=skeletons.get(weights.skeleton).unit,
        links=np.stack([tensors["first"], tensors["second"]], 1).astype(np.int64),
        **{name: tensors[name].astype(np.float64) for name in vectors},
    )


def _network(weights: Weights) -> Network:
    config, tensors = weights.network_config(), flat_weights(weights)
    arrays = {name: tensors[name].reshape(-1) for name in Network._fields[2:]}
    arrays |= {name: np.atleast_2d(tensors[name]).T for name in LAYERS}
    arrays["weight"] = tensors["weight"]
    filled = {name: _filled(array) for name, array in arrays.items()}
    return Network(ARCHITECTURES.index(config.architecture), config.hidden, **filled)


def _filled(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return it in single precision, filled up with zeros to multiples of 4."""
    more = [(0, -size % 4) for size in array.shape]
    return np.ascontiguousarray(np.pad(array, more), np.float32)
