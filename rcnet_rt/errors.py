"""The errors of rcnet_rt. Every message says what is wrong and how to mend it.

RcnetError                  catch this to catch all of them
├── PosesError              arrays of the wrong shape or with impossible values
├── SkeletonError           an unknown skeleton, or one that does not fit
├── WeightsError            a weights file that is missing, damaged or made for something else
├── BackendError            a backend that is unknown, not installed or does not suit the input
├── EstimatorError          a pose estimator that cannot be loaded or does not answer
├── SourceError             a video, image or camera that cannot be read
├── OutputError             a file or folder that cannot be written
├── DatasetError            annotations or results that cannot be used
└── MissingPackageError     a package of the default installation that is not installed
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rcnet_rt.privacy import mask_credentials

__all__ = [
    "BackendError",
    "DatasetError",
    "EstimatorError",
    "MissingPackageError",
    "OutputError",
    "PosesError",
    "RcnetError",
    "SkeletonError",
    "SourceError",
    "WeightsError",
    "missing_package",
    "requires_packages",
]

# Module -> package of the default installation, which an installation without dependencies lacks.
PACKAGES = {
    "av": "av",
    "click": "click",
    "cv2": "opencv-python",
    "faster_coco_eval": "faster-coco-eval",
    "numpy": "numpy",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "rich": "rich",
    "safetensors": "safetensors",
    "supervision": "supervision",
    "torch": "torch",
    "ultralytics": "ultralytics",
}


class RcnetError(Exception):
    """Base of every error that rcnet_rt raises on purpose; no message holds credentials."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(
            *(mask_credentials(each) if isinstance(each, str) else each for each in arguments)
        )


class PosesError(RcnetError, ValueError):
    """Pose arrays of the wrong shape, or with values that no pose can have."""


class PosesWarning(UserWarning):
    """Poses that a caller has very likely given in another form than the one expected."""


class SkeletonError(RcnetError, ValueError):
    """An unknown skeleton, or one that does not fit what it is used with."""


class WeightsError(RcnetError):
    """A weights file that is missing, damaged, or made for something else."""


class BackendError(RcnetError):
    """A backend that is unknown, not installed, or unsuited to the input."""


class EstimatorError(RcnetError):
    """A pose estimator that cannot be loaded or does not answer."""


class SourceError(RcnetError):
    """A video, image or camera that cannot be read."""


class OutputError(RcnetError):
    """A file or folder that cannot be written."""


class DatasetError(RcnetError):
    """Annotations or results that cannot be used."""


class MissingPackageError(RcnetError, ImportError):
    """A package of the default installation that is not installed."""


@contextmanager
def requires_packages(subject: str) -> Iterator[None]:
    """Import in the block; name the package of the default installation that is missing.

    Args:
        subject: what the packages are for, the subject of the sentence in the plural.

    Raises:
        MissingPackageError: a package of the default installation is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = PACKAGES.get((error.name or "").partition(".")[0])
        if package is None:
            raise
        raise MissingPackageError(missing_package(package, subject, package)) from error


def missing_package(package: str, purpose: str, install: str) -> str:
    """Return the one sentence that tells a user which package is missing and how to add it.

    >>> missing_package("openvino", "OpenVINO models", "openvino")
    "OpenVINO models need the package openvino, which is not installed: pip install 'openvino'"
    """
    return f"{purpose} need the package {package}, which is not installed: pip install '{install}'"
