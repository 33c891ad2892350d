"""`Weights`: everything that a Refiner needs, its shapes, ranges and numbers checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import PosesError, WeightsError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.arrays import Constant
from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.calibration import Calibration
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_head import JointHead
from rcnet_rt.rescoring.network_config import NetworkConfig, tensor_shapes

__all__ = [
    "DEFAULT_FLOOR",
    "DEFAULT_THRESHOLD",
    "GUARANTEED",
    "JOINTS",
    "Weights",
    "baseline",
    "check_poses",
]

DEFAULT_THRESHOLD = 0.25  # where nothing was fitted: the estimators' own customary value
DEFAULT_FLOOR = 0.05
GUARANTEED = "guaranteed"  # the threshold that keeps a precision, see `evaluation.guarantees`
JOINTS = "joints."  # how the names of a joint head's tensors begin in a file
MAX_TENSOR_VALUE = 1e8  # products of layers stay finite in single precision
MIN_DEVIATION = 1e-9  # of a feature over the training set


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network with what belongs to it, or a baseline alone (`network` is None).

    Attributes:
        name: what the user calls it.
        baseline: name of the baseline, see `rescoring.baselines`.
        baseline_scale: the value that becomes 0.5 where the baseline is unbounded.
        skeleton: name of the skeleton; None fits all.
        features: name of the feature set.
        embedding_size: how many values of a pose's embedding are among the features.
        network: shape of the network, or None.
        tensors: the network's parameters and feature normalisation.
        calibration: map of the output to expected OKS, or None.
        joints: the joint head, or None.
        floor: poses whose raw score is below it are not re-scored and stay below all others.
        thresholds: refined-score thresholds by name: "auto", "p95", "guaranteed".
        raw_threshold: the raw-score threshold that serves the estimator itself best.
        family: the estimator family that it was trained on.
        score_convention: the meaning of that estimator's scores, in words.
        score_range: lowest and highest raw score that it was trained on, or None.
        training: data, seed, figures before and after on held-out images, project version.
    """

    name: str
    baseline: str
    baseline_scale: float = 1.0
    skeleton: str | None = None
    features: str = "paper"
    embedding_size: int = 0
    network: NetworkConfig | None = None
    tensors: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    calibration: Calibration | None = None
    joints: JointHead | None = None
    floor: float = 0.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    raw_threshold: float = DEFAULT_THRESHOLD
    family: str = "any"
    score_convention: str = "any"
    score_range: tuple[float, float] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "baseline", baselines.current_name(self.baseline))
        baselines.get(self.baseline)
        if self.skeleton is not None:
            skeletons.get(self.skeleton)
        thresholds = tuple(self.thresholds.values())
        numbers = (self.baseline_scale, self.floor, self.raw_threshold, *thresholds)
        if not np.isfinite(numbers).all() or self.baseline_scale <= 0 or self.floor < 0:
            raise WeightsError(
                f"weights {self.name!r}: scale, floor and thresholds must be finite and not "
                f"negative, got {numbers}"
            )
        if not all(0 <= threshold <= 1 for threshold in thresholds):
            raise WeightsError(f"weights {self.name!r}: thresholds in [0, 1], got {thresholds}")
        if self.score_range is not None:
            object.__setattr__(self, "score_range", self._checked_range(self.score_range))
        if self.network is not None:
            self._check_network(self.network)
        if self.joints is not None:
            self._check_joints(self.joints)
        for name, tensor in self.all_tensors.items():
            if not np.isfinite(tensor).all():
                raise WeightsError(
                    f"weights {self.name!r}: tensor {name!r} holds values that are not finite; "
                    "the training run diverged or the file is damaged"
                )
            if np.abs(tensor).max(initial=0) > MAX_TENSOR_VALUE:
                raise WeightsError(
                    f"weights {self.name!r}: tensor {name!r} holds values beyond "
                    f"{MAX_TENSOR_VALUE:g}, with which scores are not numbers; the training run "
                    "diverged or the file is damaged"
                )

    @property
    def all_tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """All tensors by their names in the file: those of the joint head have a prefix."""
        head = {} if self.joints is None else self.joints.tensors
        return {**self.tensors, **{f"{JOINTS}{name}": tensor for name, tensor in head.items()}}

    @cached_property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that differ where the refined scores may."""
        parts: dict[str, npt.NDArray[Any]] = dict(self.all_tensors)
        if self.calibration is not None:
            parts |= {"inputs": self.calibration.inputs, "outputs": self.calibration.outputs}
        settings = (self.baseline, self.baseline_scale, self.skeleton, self.features, self.floor)
        digest = sha256(repr((settings, self.network)).encode())
        for name in sorted(parts):
            digest.update(name.encode() + np.ascontiguousarray(parts[name]).tobytes())
        return digest.hexdigest()[:12]

    @cached_property
    def standardisation(self) -> tuple[Constant, Constant]:
        """Mean and standard deviation (D,) of the features, of weights with a network."""
        mean, deviation = (self.tensors[f"standardise.{part}"] for part in ("mean", "deviation"))
        return Constant(mean), Constant(deviation)

    @cached_property
    def joint_count(self) -> int | None:
        """K of the poses that they are for; None for any."""
        return None if self.skeleton is None else len(skeletons.get(self.skeleton).keypoints)

    def _check_joints(self, head: JointHead) -> None:
        if self.network is None or self.joint_count is None:
            raise WeightsError(f"weights {self.name!r}: a joint head needs a network beside it")
        head.check(self.network.feature_count, self.joint_count)

    def _checked_range(self, given: Any) -> tuple[float, float]:
        try:
            low, high = (float(value) for value in given)
        except (TypeError, ValueError):
            low, high = 1.0, 0.0
        if not (np.isfinite([low, high]).all() and low <= high):
            raise WeightsError(
                f"weights {self.name!r}: score_range should be two increasing numbers, "
                f"got {given!r}"
            )
        return low, high

    def _check_network(self, network: NetworkConfig) -> None:
        if self.skeleton is None:
            raise WeightsError(f"weights {self.name!r}: a network needs its skeleton named")
        feature_set = feature_sets.get(self.features)
        if self.embedding_size < 0:
            raise WeightsError(
                f"weights {self.name!r}: embedding_size should be at least 0, got "
                f"{self.embedding_size}"
            )
        if feature_set.visual != (self.embedding_size > 0):
            raise WeightsError(
                f"weights {self.name!r}: feature set {self.features!r} expects embeddings of "
                f"{'at least 1 value' if feature_set.visual else '0 values'}, got "
                f"{self.embedding_size}"
            )
        count = feature_set.size(skeletons.get(self.skeleton), self.embedding_size)
        if count != network.feature_count:
            seen = f" and embeddings of {self.embedding_size} values" * feature_set.visual
            raise WeightsError(
                f"weights {self.name!r}: feature set {self.features!r} has {count} features on "
                f"{self.skeleton}{seen}, the network expects {network.feature_count}"
            )
        expected = {name: f"float32 {shape}" for name, shape in tensor_shapes(network).items()}
        got = {name: f"{tensor.dtype} {tensor.shape}" for name, tensor in self.tensors.items()}
        for name in sorted(got.keys() | expected.keys()):
            if got.get(name) != expected.get(name):
                raise WeightsError(
                    f"weights {self.name!r}: tensor {name!r} should be "
                    f"{expected.get(name, 'absent')} and is {got.get(name, 'absent')}"
                )
        if not (self.tensors["standardise.deviation"] >= MIN_DEVIATION).all():
            raise WeightsError(
                f"weights {self.name!r}: the standard deviations of the features should be above "
                "0; the file is damaged"
            )

    @property
    def is_baseline(self) -> bool:
        """Whether there is no network: the baseline is the score."""
        return self.network is None

    @property
    def uses_reference(self) -> bool:
        """Whether a `ScoreReference` makes their scores better."""
        return baselines.get(self.baseline).ranked

    @property
    def signals(self) -> frozenset[str]:
        """Names of the signals beside the score that they use where they are known."""
        return frozenset(SIGNALS if self.features == "signals" else ())

    def network_config(self) -> NetworkConfig:
        """Return the shape of the network.

        Raises:
            WeightsError: these weights are a baseline alone.
        """
        if self.network is None:
            raise WeightsError(f"weights {self.name!r} are a baseline and hold no network")
        return self.network

    def threshold(self, choice: str | float) -> float:
        """Return the refined-score threshold for "auto", "p95", "guaranteed" or a number.

        Raises:
            WeightsError: these weights were stored without that threshold.
        """
        if isinstance(choice, str) and choice in self.thresholds:
            return self.thresholds[choice]
        if choice == "auto":
            return DEFAULT_THRESHOLD
        if choice == GUARANTEED:
            raise WeightsError(
                f"weights {self.name!r} hold no guaranteed threshold: they are older than it, or "
                "had too few labeled images, or none; find one with `rcnet-rt eval "
                "--min-precision P --assurance A` and give it as a number"
            )
        try:
            value = float(choice)
        except ValueError:
            raise WeightsError(
                f"weights {self.name!r} hold no threshold {choice!r}; they hold "
                f"{', '.join(self.thresholds) or 'none'}: give a number in [0, 1]"
            ) from None
        if not 0 <= value <= 1:
            raise WeightsError(f"a threshold must be in [0, 1], got {value}")
        return value


def check_poses(inputs: PoseInputs, weights: Weights) -> None:
    """Check that poses have the joints, and embeddings of the length, that the weights are for.

    Raises:
        PosesError: they have others.
    """
    joints, size = inputs.keypoints.shape[1], weights.embedding_size
    expected = weights.joint_count
    if expected not in (None, joints):
        raise PosesError(
            f"weights {weights.name!r} are for {weights.skeleton} with {expected} keypoints, got "
            f"poses of {joints}; use weights made for your skeleton"
        )
    if size and inputs.embeddings is not None and inputs.embeddings.shape[1] != size:
        raise PosesError(
            f"weights {weights.name!r} are for embeddings of {size} values, got "
            f"{inputs.embeddings.shape[1]}; use the model that they were trained on, or leave the "
            "embeddings out"
        )


def baseline(name: str) -> Weights:
    """Return weights that are a baseline alone.

    Raises:
        WeightsError: no baseline has that name.
    """
    return Weights(name=f"formula:{name}", baseline=name)
