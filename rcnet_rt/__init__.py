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
from rcnet_rt.poses import Poses
from rcnet_rt.privacy import keep_quiet
from rcnet_rt.skeletons import Skeleton

if TYPE_CHECKING:
    from rcnet_rt.model import RCNet, ScoreNet
    from rcnet_rt.refiner import Refiner, refine
    from rcnet_rt.score_scale import ScoreScale
    from rcnet_rt.weights_file import find as load_weights

__version__ = "0.1.0"

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
    "ScoreScale",
    "Skeleton",
    "SkeletonError",
    "SourceError",
    "WeightsError",
    "__version__",
    "load_weights",
    "refine",
]

keep_quiet()

# Loaded on first use, so that the import is quick and torch is needed only for what uses it.
_LAZY = {
    "RCNet": ("rcnet_rt.model", "RCNet"),
    "ScoreNet": ("rcnet_rt.model", "ScoreNet"),
    "ScoreScale": ("rcnet_rt.score_scale", "ScoreScale"),
    "Refiner": ("rcnet_rt.refiner", "Refiner"),
    "refine": ("rcnet_rt.refiner", "refine"),
    "load_weights": ("rcnet_rt.weights_file", "find"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'rcnet_rt' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
