"""Numba: rescoring as one compiled function on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from rcnet_rt.backends import numba_kernel
from rcnet_rt.backends.flat_weights import flat_weights
from rcnet_rt.backends.numba_baselines import BASELINES
from rcnet_rt.backends.numba_cache import compiled, source_hash
from rcnet_rt.backends.numba_features import FEATURES
from rcnet_rt.backends.numba_joints import Head
from rcnet_rt.backends.numba_kernel import Arrays, Rules
from rcnet_rt.backends.numba_network import ARCHITECTURES, Network
from rcnet_rt.backends.protocol import Backend, Refined
from rcnet_rt.errors import BackendError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.arrays import Array
from rcnet_rt.poses.fields import INPUTS, Field, shape_of
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_features import feature_count
from rcnet_rt.rescoring.joint_head import JointEstimates, JointHead
from rcnet_rt.rescoring.mistakes import Evidence
from rcnet_rt.rescoring.rescore import no_joint_head
from rcnet_rt.rescoring.weights import Weights

__all__ = ["NumbaBackend"]

FEW = 256  # poses, for which what stands for absent arrays is kept
LAYERS = ("middle", "in_weight", "out_weight", "up", "down")
BY_NAME = {field.name: field for field in INPUTS}


class NumbaBackend:
    """Runs rescoring in a compiled function; gives NumPy arrays.

    It is compiled at the first use on a machine, which takes some seconds, and cached by Numba.
    Poses with a score reference go to another backend.

    Args:
        weights: with a network.
        open_other: opens the backend for poses with a score reference.

    Raises:
        BackendError: the kernel does not know the weights' baseline, features or architecture.
    """

    name = "numba"
    device = "cpu"

    def __init__(self, weights: Weights, open_other: Callable[[], Backend]) -> None:
        self._name = weights.name
        self._parameters = _rules(weights), _network(weights)
        self._kernel = _kernel(*map(numba.typeof, self._parameters))
        self._head = None if weights.joints is None else _head(weights, weights.joints)
        self._joint_kernel = (
            None
            if self._head is None
            else _joint_kernel(*map(numba.typeof, (*self._parameters, self._head)))
        )
        self._with_reference = open_other() if weights.uses_reference else None
        self._embedding_size = weights.embedding_size

    def __call__(self, inputs: PoseInputs) -> Refined:
        """Refine the poses; see `Backend`."""
        if inputs.reference is not None and self._with_reference is not None:
            return self._with_reference(inputs)
        refined, faulty, evidence = self._kernel(self._arrays(inputs), *self._parameters)
        return Refined(refined, faulty, _evidence(inputs, evidence))

    def with_joints(self, inputs: PoseInputs) -> Refined:
        """Refine the poses and estimate their joints; see `Backend`."""
        if self._joint_kernel is None:
            raise no_joint_head(self._name)
        if inputs.reference is not None and self._with_reference is not None:
            return self._with_reference.with_joints(inputs)
        refined, faulty, evidence, joints = self._joint_kernel(
            self._arrays(inputs), *self._parameters, self._head
        )
        return Refined(refined, faulty, _evidence(inputs, evidence), JointEstimates(*joints))

    def _arrays(self, inputs: PoseInputs) -> Arrays:
        """Return the arrays as the kernel takes them, none absent."""
        if not self._embedding_size and inputs.embeddings is not None:
            inputs = inputs._replace(embeddings=None)
        count, joints = inputs.keypoints.shape[:2]
        absent = _absent if count <= FEW else _absent_of_many
        return Arrays(
            *[
                absent(name, count, joints, self._embedding_size)
                if (array := getattr(inputs, name)) is None
                else _float64(array)
                for name in Arrays._fields
            ]
        )


def _evidence(inputs: PoseInputs, numbers: tuple[float, ...]) -> Evidence:
    evidence = Evidence(*numbers)
    return evidence if inputs.keypoint_scores is not None else evidence._replace(unflagged=-1.0)


def _float64(array: Array) -> npt.NDArray[np.float64]:
    """Return it as the kernel takes it: contiguous and writeable."""
    contiguous = np.ascontiguousarray(array, np.float64)
    return contiguous if contiguous.flags.writeable else contiguous.copy()


def _absent_of_many(
    name: str, count: int, joints: int, embedding_size: int
) -> npt.NDArray[np.float64]:
    """Return what stands for an array that is not given."""
    field = BY_NAME.get(name)
    if field is None:  # the index of the image: one for all
        return np.zeros(count)
    if field.fill is None:  # boxes: the kernel takes the extent of the joints
        return np.zeros((0, *shape_of(field, joints, embedding_size)))
    return np.full((count, *shape_of(field, joints, embedding_size)), field.fill)


_absent = lru_cache(maxsize=256)(_absent_of_many)


@lru_cache
def _kernel(rules: Any, network: Any) -> Callable[..., tuple[Array, Array, tuple[float, ...]]]:
    """Return the kernel, compiled for parameters of these types."""
    sources = source_hash(numba_kernel)

    def rescore_poses(arrays, rules, network):  # type: ignore[no-untyped-def]
        _ = sources
        return numba_kernel.refine(arrays, rules, network)

    return compiled(rescore_poses, (_kinds(), rules, network))


@lru_cache
def _joint_kernel(rules: Any, network: Any, head: Any) -> Callable[..., tuple[Any, ...]]:
    """Return the kernel that estimates joints too, compiled for parameters of these types."""
    sources = source_hash(numba_kernel)

    def rescore_joints(arrays, rules, network, head):  # type: ignore[no-untyped-def]
        _ = sources
        return numba_kernel.refine_with_joints(arrays, rules, network, head)

    return compiled(rescore_joints, (_kinds(), rules, network, head))


def _kinds() -> Any:
    """Return Numba's type of `Arrays`."""
    kinds = [_kind(BY_NAME.get(name)) for name in Arrays._fields]
    return types.NamedTuple(kinds, Arrays)  # type: ignore[no-untyped-call]


def _kind(field: Field | None) -> Any:
    """Return Numba's type of an input; without a field, that of the index of the image."""
    return types.Array(types.float64, 1 if field is None else 1 + len(field.shape), "C")


def _place(kind: str, name: str, known: Any) -> int:
    """Return the place of a name among those that the kernel knows."""
    names = list(known)
    if name not in names:
        raise BackendError(
            f"backend numba does not know the {kind} {name!r}; it knows {', '.join(names)}: use "
            "backend='onnx' or 'torch'"
        )
    return names.index(name)


def _rules(weights: Weights) -> Rules:
    assert weights.skeleton is not None
    baseline, tensors = baselines.get(weights.baseline), flat_weights(weights)
    _place("feature set", weights.features, FEATURES)
    vectors = ("mean", "deviation", "start", "width", "rise")
    return Rules(
        baseline=_place("baseline", weights.baseline, BASELINES),
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
    arrays: dict[str, npt.NDArray[Any]]
    arrays = {name: tensors[name].reshape(-1) for name in Network._fields[2:]}
    arrays |= {name: np.atleast_2d(tensors[name]).T for name in LAYERS}
    arrays["weight"] = tensors["weight"]
    filled = {name: _filled(array) for name, array in arrays.items()}
    place = _place("architecture", config.architecture, ARCHITECTURES)
    return Network(place, config.hidden, **filled)


def _head(weights: Weights, joints: JointHead) -> Head:
    assert weights.skeleton is not None
    own = feature_count(len(skeletons.get(weights.skeleton).keypoints))
    layers = {name.partition(".weight")[0]: tensor.T for name, tensor in joints.tensors.items()}
    first = layers["layers.0"]
    arrays = (
        first[:own],
        first[own:],
        layers["layers.0.bias"],
        layers["layers.1"],
        layers["layers.1.bias"],
        layers["output"],
        layers["output.bias"],
    )
    return Head(*map(_filled, arrays))


def _filled(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return it in single precision, padded with zeros to multiples of 4."""
    more = [(0, -size % 4) for size in array.shape]
    return np.ascontiguousarray(np.pad(array, more), np.float32)
