"""The errors of rcnet_rt. Every message says what is wrong and how to mend it.

RcnetError                  catch this to catch all of them
├── PosesError              arrays of the wrong shape or with impossible values
├── SkeletonError           an unknown skeleton, or one that does not fit
├── WeightsError            a weights file that is missing, damaged or made for something else
├── BackendError            a backend that is unknown, not installed or does not suit the input
├── EstimatorError          a pose estimator that cannot be loaded or does not answer
├── SourceError             a video, image or camera that cannot be read
├── OutputError             a file or folder that cannot be written
└── DatasetError            annotations or results that cannot be used
"""

from __future__ import annotations

from rcnet_rt.privacy import mask_credentials

__all__ = [
    "BackendError",
    "DatasetError",
    "EstimatorError",
    "OutputError",
    "PosesError",
    "RcnetError",
    "SkeletonError",
    "SourceError",
    "WeightsError",
    "missing_package",
]


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


def missing_package(package: str, purpose: str, install: str) -> str:
    """Return the one sentence that tells a user which package is missing and how to add it.

    >>> missing_package("openvino", "OpenVINO models", "openvino")
    "OpenVINO models need the package openvino, which is not installed: pip install 'openvino'"
    """
    return f"{purpose} need the package {package}, which is not installed: pip install '{install}'"
