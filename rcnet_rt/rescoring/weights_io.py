"""Weights by name, read from and written to one safetensors file. No pickle, ever.

The metadata is one JSON text under the key `rcnet_rt`; every field is checked on loading.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import RcnetError, WeightsError, requires_packages
from rcnet_rt.files.writing import write_atomically
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring.calibration import Calibration
from rcnet_rt.rescoring.families import GENERIC, SHIPPED
from rcnet_rt.rescoring.joint_head import JointHead
from rcnet_rt.rescoring.network_config import NetworkConfig
from rcnet_rt.rescoring.weights import JOINTS, Weights, baseline

__all__ = ["REINSTALL", "available", "find", "find_weights", "load", "save"]

FORMAT_VERSION = 1
WITH_JOINTS = 2  # format of a file with a joint head, which older programs cannot read
SUFFIX = ".safetensors"
REINSTALL = "pip install --force-reinstall rcnet-rt"
CALIBRATION = ("calibration.inputs", "calibration.outputs")
MAX_FILE_SIZE = 64 * 2**20  # bytes; a real one holds less than 1 MiB
MAX_DESCRIPTION = 2**20  # characters; a real one has a few thousand
NUMBER, TEXT, NOTHING = (int, float), (str,), (type(None),)
# What the file calls some fields of `Weights`.
FILE_NAMES = {"baseline": "base", "baseline_scale": "base_scale"}
# What the description may hold; the values themselves are checked where they are used.
DESCRIPTION: dict[str, tuple[type, ...]] = {
    "base": TEXT,
    "baseline_scale": NUMBER,
    "skeleton": TEXT + NOTHING,
    "features": TEXT,
    "embedding_size": (int,),
    "network": (dict, *NOTHING),
    "floor": NUMBER,
    "thresholds": (dict,),
    "raw_threshold": NUMBER,
    "family": TEXT,
    "score_convention": TEXT,
    "score_range": (list, *NOTHING),
    "training": (dict,),
    "joints": (dict,),
}


def available() -> dict[str, Path]:
    """Return the shipped weights by name: those in the package, or beside it in a checkout."""
    return {
        path.stem: path
        for folder in _folders()
        if folder.is_dir()
        for path in sorted(folder.glob(f"*{SUFFIX}"))
    }


def _folders() -> list[Path]:
    """Return where shipped weights may be; those of a later folder come first."""
    package = Path(__file__).parents[1]
    return [package.parent / "weights", package / "weights"]


def find(name: str) -> Weights:
    """Return weights by name, by path, or as `formula:NAME`.

    Raises:
        WeightsError: there are none, they are damaged, or the installation lacks them.
    """
    if name.startswith("formula:"):
        return baseline(name.removeprefix("formula:"))
    shipped = available()
    if name in shipped:
        return load(shipped[name])
    if name in SHIPPED:
        raise WeightsError(_missing(name))
    path = Path(name)
    if path.suffix == SUFFIX or path.exists():
        return load(path)
    raise WeightsError(
        f"unknown weights {name!r}; shipped are {', '.join(shipped) or 'none'}: give one of these, "
        f"a path to a {SUFFIX} file, or formula:NAME with {', '.join(sorted(baselines.BASELINES))}"
    )


def find_weights(name: str) -> Weights:
    """Return weights by name; "auto" is "generic", those for an unknown estimator.

    Raises:
        WeightsError: there are none, they are damaged, or the installation lacks them.
    """
    return find(GENERIC if name == "auto" else name)


def _missing(name: str) -> str:
    """Return the sentence that says that the installation lacks shipped weights."""
    places = " or ".join(str(folder) for folder in _folders())
    return (
        f"the weights {name!r}, which rcnet-rt ships, are missing from this installation: no "
        f"{name}{SUFFIX} in {places}; install it again ({REINSTALL}), or give the path of a "
        f"{SUFFIX} file, or formula:NAME"
    )


def save(weights: Weights, path: Path) -> None:
    """Write the weights, whole or not at all.

    Raises:
        OutputError: the folder is missing or cannot be written.
    """
    with requires_packages("Weights files"):
        from safetensors.numpy import save as to_bytes

    record = {
        FILE_NAMES.get(item.name, item.name): getattr(weights, item.name)
        for item in fields(Weights)
        if item.name not in ("name", "tensors", "calibration", "network", "joints")
    }
    version = FORMAT_VERSION
    if weights.joints is not None:
        version, record["joints"] = WITH_JOINTS, dict(weights.joints.training)
    record["network"] = None if weights.network is None else asdict(weights.network)
    tensors: dict[str, npt.NDArray[Any]] = {
        name: np.ascontiguousarray(value) for name, value in weights.all_tensors.items()
    }
    if weights.calibration is not None:
        tensors[CALIBRATION[0]] = weights.calibration.inputs
        tensors[CALIBRATION[1]] = weights.calibration.outputs
    text = json.dumps({"format": version, **record}, sort_keys=True)
    write_atomically(path, to_bytes(tensors, metadata={"rcnet_rt": text}))


def load(path: Path) -> Weights:
    """Read and check a weights file.

    Raises:
        WeightsError: it is missing, damaged, of another format, or no weights file of rcnet_rt.
    """
    with requires_packages("Weights files"):
        from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise WeightsError(f"no weights file at {path}")
    if path.stat().st_size > MAX_FILE_SIZE:
        raise WeightsError(
            f"{path} is larger than {MAX_FILE_SIZE >> 20} MiB: not weights of rcnet_rt"
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
    if len(metadata["rcnet_rt"]) > MAX_DESCRIPTION:
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
    if version not in (FORMAT_VERSION, WITH_JOINTS):
        raise WeightsError(
            f"format version {version}, this rcnet-rt reads {FORMAT_VERSION} and {WITH_JOINTS}; "
            "update rcnet-rt"
        )
    for key in record.keys() & DESCRIPTION.keys():
        if type(record[key]) not in DESCRIPTION[key]:
            kinds = " or ".join(kind.__name__ for kind in DESCRIPTION[key])
            raise TypeError(f"{key} should be {kinds}, got {record[key]!r:.80}")
    network = record.pop("network")
    for name, file_name in FILE_NAMES.items():
        if file_name in record:
            record[name] = record.pop(file_name)
    knots = [tensors.pop(name, None) for name in CALIBRATION]
    head = {
        name.removeprefix(JOINTS): tensors.pop(name)
        for name in [name for name in tensors if name.startswith(JOINTS)]
    }
    if version == WITH_JOINTS:
        record["joints"] = JointHead(head, record["joints"])
    return Weights(
        name=path.stem,
        network=None if network is None else NetworkConfig(**network),
        tensors=tensors,
        calibration=None if knots[0] is None else Calibration(*knots),
        **record,
    )
