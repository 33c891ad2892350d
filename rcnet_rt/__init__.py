"""rcnet_rt: refined confidence for human poses, in real time.

>>> import numpy as np
>>> from rcnet_rt import refine
>>> refine(np.zeros((0, 17, 2)), np.zeros(0)).shape
(0,)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcnet_rt.errors import (
    BackendError,
    DatasetError,
    EstimatorError,
    OutputError,
    PosesError,
    RcnetError,
    SkeletonError,
    SourceError,
    WeightsError,
)
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.version import __version__

if TYPE_CHECKING:
    from rcnet_rt.models.rcnet import RCNet, ScoreNet
    from rcnet_rt.poses.skeletons import register as register_skeleton
    from rcnet_rt.refiner import Refiner, refine
    from rcnet_rt.rescoring.score_reference import ScoreReference
    from rcnet_rt.rescoring.weights_io import find as load_weights

__all__ = [
    "BackendError",
    "DatasetError",
    "EstimatorError",
    "OutputError",
    "Poses",
    "PosesError",
    "RCNet",
    "RcnetError",
    "Refiner",
    "ScoreNet",
    "ScoreReference",
    "Skeleton",
    "SkeletonError",
    "SourceError",
    "WeightsError",
    "__version__",
    "load_weights",
    "refine",
    "register_skeleton",
]

# Loaded on first use, so that the import is quick and torch is needed only for what uses it.
_LAZY = {
    "RCNet": ("rcnet_rt.models.rcnet", "RCNet"),
    "ScoreNet": ("rcnet_rt.models.rcnet", "ScoreNet"),
    "ScoreReference": ("rcnet_rt.rescoring.score_reference", "ScoreReference"),
    "Refiner": ("rcnet_rt.refiner", "Refiner"),
    "refine": ("rcnet_rt.refiner", "refine"),
    "register_skeleton": ("rcnet_rt.poses.skeletons", "register"),
    "load_weights": ("rcnet_rt.rescoring.weights_io", "find"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'rcnet_rt' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
