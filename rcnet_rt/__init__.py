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
    MissingPackageError,
    OutputError,
    PosesError,
    PosesWarning,
    RcnetError,
    SkeletonError,
    SourceError,
    WeightsError,
)
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.version import __version__

if TYPE_CHECKING:
    from rcnet_rt.integrations.ultralytics import attach
    from rcnet_rt.models.rcnet import RCNet, ScoreNet
    from rcnet_rt.monitoring.profile import CameraProfile
    from rcnet_rt.poses.skeletons import register as register_skeleton
    from rcnet_rt.refiner import Refiner, refine
    from rcnet_rt.rescoring.score_reference import ScoreReference
    from rcnet_rt.rescoring.weights_io import find as load_weights
    from rcnet_rt.workflows.adapt import adapt
    from rcnet_rt.workflows.benchmark import benchmark
    from rcnet_rt.workflows.evaluate import evaluate
    from rcnet_rt.workflows.export import export
    from rcnet_rt.workflows.predict import predict
    from rcnet_rt.workflows.profile import profile_camera
    from rcnet_rt.workflows.rescore import rescore
    from rcnet_rt.workflows.train import train
    from rcnet_rt.workflows.video import process_video

__all__ = [
    "BackendError",
    "CameraProfile",
    "DatasetError",
    "EstimatorError",
    "MissingPackageError",
    "OutputError",
    "Poses",
    "PosesError",
    "PosesWarning",
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
    "adapt",
    "attach",
    "benchmark",
    "evaluate",
    "export",
    "load_weights",
    "predict",
    "process_video",
    "profile_camera",
    "refine",
    "register_skeleton",
    "rescore",
    "train",
]

# Loaded on first use, so that the import is quick and only what is used must be installed.
_LAZY = {
    "CameraProfile": ("rcnet_rt.monitoring.profile", "CameraProfile"),
    "RCNet": ("rcnet_rt.models.rcnet", "RCNet"),
    "Refiner": ("rcnet_rt.refiner", "Refiner"),
    "ScoreNet": ("rcnet_rt.models.rcnet", "ScoreNet"),
    "ScoreReference": ("rcnet_rt.rescoring.score_reference", "ScoreReference"),
    "adapt": ("rcnet_rt.workflows.adapt", "adapt"),
    "attach": ("rcnet_rt.integrations.ultralytics", "attach"),
    "benchmark": ("rcnet_rt.workflows.benchmark", "benchmark"),
    "evaluate": ("rcnet_rt.workflows.evaluate", "evaluate"),
    "export": ("rcnet_rt.workflows.export", "export"),
    "load_weights": ("rcnet_rt.rescoring.weights_io", "find"),
    "predict": ("rcnet_rt.workflows.predict", "predict"),
    "process_video": ("rcnet_rt.workflows.video", "process_video"),
    "profile_camera": ("rcnet_rt.workflows.profile", "profile_camera"),
    "refine": ("rcnet_rt.refiner", "refine"),
    "register_skeleton": ("rcnet_rt.poses.skeletons", "register"),
    "rescore": ("rcnet_rt.workflows.rescore", "rescore"),
    "train": ("rcnet_rt.workflows.train", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'rcnet_rt' has no attribute {name!r}")
    from importlib import import_module

    from rcnet_rt.errors import requires_packages

    module, attribute = _LAZY[name]
    with requires_packages(f"Calls of rcnet_rt.{name}"):
        return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
