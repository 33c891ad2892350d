"""An estimator by its import path, `module:name`: no registration, no base class."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.failures import explained
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton
from rcnet_rt.privacy import disable_telemetry

if TYPE_CHECKING:
    from rcnet_rt.estimators.protocol import Estimator

__all__ = ["FunctionEstimator", "imported", "imported_family", "is_import_path"]

IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class FunctionEstimator:
    """A plain function, (H, W, 3) uint8 image -> `Poses`, as an estimator of COCO's joints."""

    function: Callable[[Image], Poses]
    name: str
    family: str = "generic"
    skeleton: Skeleton = COCO17

    def estimate(self, image_bgr: Image) -> Poses:
        """Return what the function returns.

        Raises:
            EstimatorError: the function fails, or returns no `Poses`.
        """
        with explained(f"{self.name} failed", "correct the function"):
            poses = self.function(image_bgr)
        if not isinstance(poses, Poses):
            raise EstimatorError(f"{self.name} returned {type(poses).__name__}, expected Poses")
        return poses


def is_import_path(model: str) -> bool:
    """Return whether it looks like `package.module:name`.

    >>> is_import_path("robot.vision:Estimator"), is_import_path("model.onnx")
    (True, False)
    """
    return IMPORT_PATH.fullmatch(model) is not None


def imported(path: str) -> Estimator:
    """Return the estimator at an import path; modules in the current folder are found too.

    It may be an estimator, a class or a function without arguments that makes one, or a function
    that takes an image and returns `Poses`.

    Raises:
        EstimatorError: it is not there, fails, or is none.
    """
    thing = _find(path)
    if not hasattr(thing, "estimate") or inspect.isclass(thing):
        if not callable(thing):
            raise EstimatorError(f"{path} is a {type(thing).__name__}; {_WANTED}")
        if _takes_a_image(thing):
            return FunctionEstimator(thing, path)
        with explained(f"{path}() failed", "it is called without arguments"):
            thing = thing()
    missing = [
        each for each in ("name", "family", "skeleton", "estimate") if not hasattr(thing, each)
    ]
    if missing:
        raise EstimatorError(f"{path} gives something without {', '.join(missing)}; {_WANTED}")
    estimator: Estimator = thing
    return estimator


def imported_family(path: str) -> str:
    """Return the family that a class or an estimator at an import path names, else "generic".

    Raises:
        EstimatorError: it is not there.
    """
    family = getattr(_find(path), "family", "generic")
    return family if isinstance(family, str) else "generic"


_WANTED = (
    "expected an estimator (name, family, skeleton, estimate), what makes one, or a function that "
    "takes an image and returns Poses"
)


def _find(path: str) -> Any:
    module_name, _, name = path.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    disable_telemetry()  # it may import any library
    with explained(f"{module_name} cannot be imported", "check the import path"):
        module = importlib.import_module(module_name)
    if not hasattr(module, name):
        raise EstimatorError(f"the module {module_name} has no {name}; check the import path")
    return getattr(module, name)


def _takes_a_image(function: Callable[..., Any]) -> bool:
    """Whether it can be called with one argument and not with none."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind()
    except TypeError:
        return True
    return False
