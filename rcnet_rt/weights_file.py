"""Weights: everything that a Refiner needs, in one safetensors file. No pickle, ever.

The metadata is one JSON text under the key `rcnet_rt`; every field is checked on loading, and every
tensor must be finite.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt import features as feature_sets
from rcnet_rt import formulas, skeletons
from rcnet_rt.calibration import Calibration
from rcnet_rt.errors import OutputError, RcnetError, WeightsError
from rcnet_rt.model_config import NetworkConfig, tensor_shapes
from rcnet_rt.poses import SIGNALS

__all__ = ["Weights", "available", "find", "formula", "load", "save"]

FORMAT_VERSION = 1
SUFFIX = ".safetensors"
CALIBRATION = ("calibration.inputs", "calibration.outputs")
DEFAULT_THRESHOLD = 0.25  # where nothing was fitted: the estimators' own customary value
DEFAULT_FLOOR = 0.05
LARGEST_FILE = 64 * 2**20  # bytes; a real one holds less than 1 MiB
LONGEST_DESCRIPTION = 2**20  # characters; a real one has a few thousand
NUMBER, TEXT, NOTHING = (int, float), (str,), (type(None),)
# What the description may hold; the values themselves are checked where they are used.
DESCRIPTION: dict[str, tuple[type, ...]] = {
    "base": TEXT,
    "base_scale": NUMBER,
    "skeleton": TEXT + NOTHING,
    "features": TEXT,
    "embedding_size": (int,),
    "network": (dict, *NOTHING),
    "floor": NUMBER,
    "thresholds": (dict,),
    "raw_threshold": NUMBER,
    "family": TEXT,
    "score_convention": TEXT,
    "training": (dict,),
}


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network with what belongs to it, or a formula alone (`network` is None).

    Attributes:
        name: what the user calls it.
        base: name of the base formula, see `rcnet_rt.formulas`.
        base_scale: the value that becomes 0.5 where the formula is unbounded.
        skeleton: name of the skeleton; None fits all.
        features: name of the feature set.
        embedding_size: how many values of a pose's embedding are among the features.
        network: shape of the network, or None.
        tensors: the network's parameters and feature normalisation.
        calibration: map of the output to expected OKS, or None.
        floor: poses whose raw score is below it are not re-scored and stay below all others.
        thresholds: refined-score thresholds by name: "auto", "p95".
        raw_threshold: the raw-score threshold that serves the estimator itself best.
        family: the estimator family that it was trained on.
        score_convention: the meaning of that estimator's scores, in words.
        training: data, seed, figures before and after on held-out images, project version.
    """

    name: str
    base: str
    base_scale: float = 1.0
    skeleton: str | None = None
    features: str = "paper"
    embedding_size: int = 0
    network: NetworkConfig | None = None
    tensors: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    calibration: Calibration | None = None
    floor: float = 0.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    raw_threshold: float = DEFAULT_THRESHOLD
    family: str = "any"
    score_convention: str = "any"
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        formulas.get(self.base)
        if self.skeleton is not None:
            skeletons.get(self.skeleton)
        thresholds = tuple(self.thresholds.values())
        numbers = (self.base_scale, self.floor, self.raw_threshold, *thresholds)
        if not np.isfinite(numbers).all() or self.base_scale <= 0 or self.floor < 0:
            raise WeightsError(
                f"weights {self.name!r}: scale, floor and thresholds must be finite and not "
                f"negative, got {numbers}"
            )
        if not all(0 <= threshold <= 1 for threshold in thresholds):
            raise WeightsError(f"weights {self.name!r}: thresholds in [0, 1], got {thresholds}")
        if self.network is not None:
            self._check_network(self.network)
        for name, tensor in self.tensors.items():
            if not np.isfinite(tensor).all():
                raise WeightsError(
                    f"weights {self.name!r}: tensor {name!r} holds values that are not finite; "
                    "the training run diverged or the file is damaged"
                )

    def _check_network(self, network: NetworkConfig) -> None:
        if self.skeleton is None:
            raise WeightsError(f"weights {self.name!r}: a network needs its skeleton named")
        feature_set = feature_sets.get(self.features)
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

    @property
    def is_formula(self) -> bool:
        """Whether there is no network: the base formula is the score."""
        return self.network is None

    @property
    def uses_scale(self) -> bool:
        """Whether a `ScoreScale` makes their scores better."""
        return self.base == formulas.STANDING

    @property
    def signals(self) -> frozenset[str]:
        """Names of the signals beside the score that they use where they are known."""
        return frozenset(SIGNALS if self.features == "signals" else ())

    def network_config(self) -> NetworkConfig:
        """Return the shape of the network.

        Raises:
            WeightsError: these weights are a formula alone.
        """
        if self.network is None:
            raise WeightsError(f"weights {self.name!r} are a formula and hold no network")
        return self.network

    def threshold(self, choice: str | float) -> float:
        """Return the refined-score threshold for "auto", "p95" or a number in [0, 1].

        Raises:
            WeightsError: these weights were stored without that threshold.
        """
        if isinstance(choice, str) and choice in self.thresholds:
            return self.thresholds[choice]
        if choice == "auto":
            return DEFAULT_THRESHOLD
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


def formula(name: str) -> Weights:
    """Return weights that are a formula alone.

    Raises:
        WeightsError: no formula has that name.
    """
    return Weights(name=f"formula:{name}", base=name)


def available() -> dict[str, Path]:
    """Return the shipped weights by name: those in the package, or beside it in a checkout."""
    package = Path(__file__).parent
    folders = [package.parent / "weights", package / "weights"]
    return {
        path.stem: path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.glob(f"*{SUFFIX}"))
    }


def find(name: str) -> Weights:
    """Return weights by name, by path, or as `formula:NAME`.

    Raises:
        WeightsError: there are none, or they are damaged.
    """
    if name.startswith("formula:"):
        return formula(name.removeprefix("formula:"))
    shipped = available()
    if name in shipped:
        return load(shipped[name])
    path = Path(name)
    if path.suffix == SUFFIX or path.exists():
        return load(path)
    raise WeightsError(
        f"unknown weights {name!r}; shipped are {', '.join(shipped) or 'none'}: give one of these, "
        f"a path to a {SUFFIX} file, or formula:NAME with {', '.join(sorted(formulas.FORMULAS))}"
    )


def save(weights: Weights, path: Path) -> None:
    """Write the weights, whole or not at all.

    Raises:
        OutputError: the folder is missing or cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    record = {
        item.name: getattr(weights, item.name)
        for item in fields(Weights)
        if item.name not in ("name", "tensors", "calibration", "network")
    }
    record["network"] = None if weights.network is None else asdict(weights.network)
    tensors: dict[str, npt.NDArray[Any]] = {
        name: np.ascontiguousarray(value) for name, value in weights.tensors.items()
    }
    if weights.calibration is not None:
        tensors[CALIBRATION[0]] = weights.calibration.inputs
        tensors[CALIBRATION[1]] = weights.calibration.outputs
    text = json.dumps({"format": FORMAT_VERSION, **record}, sort_keys=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(to_bytes(tensors, metadata={"rcnet_rt": text}))
        os.replace(unfinished, path)
    except OSError as error:
        raise OutputError(f"cannot write weights to {path}: {error.strerror or error}") from error


def load(path: Path) -> Weights:
    """Read and check a weights file.

    Raises:
        WeightsError: it is missing, damaged, of another format, or no weights file of rcnet_rt.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise WeightsError(f"no weights file at {path}")
    if path.stat().st_size > LARGEST_FILE:
        raise WeightsError(
            f"{path} is larger than {LARGEST_FILE >> 20} MiB: not weights of rcnet_rt"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"{path} is not a readable safetensors file ({error}); train it or copy it again"
        ) from error
    if "rcnet_rt" not in metadata:
        raise WeightsError(
            f"{path} is a safetensors file, but not one that rcnet-rt wrote; `rcnet-rt train` does"
        )
    if len(metadata["rcnet_rt"]) > LONGEST_DESCRIPTION:
        raise WeightsError(f"{path}: its description is damaged (too long to be one)")
    try:
        return _from_record(path, json.loads(metadata["rcnet_rt"]), tensors)
    except RcnetError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(
            f"{path}: its description is damaged ({error}); train it or copy it again"
        ) from error


def _from_record(path: Path, record: dict[str, Any], tensors: dict[str, Any]) -> Weights:
    if not isinstance(record, dict):
        raise TypeError(f"expected an object, got {type(record).__name__}")
    version = record.pop("format", None)
    if version != FORMAT_VERSION:
        raise WeightsError(
            f"format version {version}, this rcnet-rt reads {FORMAT_VERSION}; update rcnet-rt"
        )
    for key in record.keys() & DESCRIPTION.keys():
        if type(record[key]) not in DESCRIPTION[key]:
            kinds = " or ".join(kind.__name__ for kind in DESCRIPTION[key])
            raise TypeError(f"{key} should be {kinds}, got {record[key]!r:.80}")
    network = record.pop("network")
    knots = [tensors.pop(name, None) for name in CALIBRATION]
    return Weights(
        name=path.stem,
        network=None if network is None else NetworkConfig(**network),
        tensors=tensors,
        calibration=None if knots[0] is None else Calibration(*knots),
        **record,
    )
