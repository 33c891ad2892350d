"""What may be known of a pose: one table of fields, from which inputs, backends and files derive.

To add a field, add a row here and an attribute of the same name to `poses.poses.Poses`; for one
that rescoring reads, also to `rescoring.inputs.PoseInputs`, and an argument to
`refiner.Refiner.refine`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["CANDIDATE_OKS", "CONSENSUS", "FIELDS", "INPUTS", "SIGNALS", "Field", "shape_of"]

NAN = float("nan")

CONSENSUS: Mapping[str, str] = MappingProxyType(
    {
        "log candidates": "log of the number of candidates, the kept pose among them",
        "log candidate score": "log of the sum of their scores",
        "candidate score": "mean of their scores",
        "candidate OKS": "mean OKS with the kept pose, weighted by score",
        "candidate IoU": "mean box IoU with the kept pose, weighted by score",
        "spread": "standard deviation of a joint over them in units of OKS, mean over the joints",
        "widest spread": "the same of the joint with the largest",
        "expected OKS": "OKS at that spread, exp(-variance / 2), mean over the joints",
        "least expected OKS": "the same of the joint with the smallest",
    }
)
"""Columns of the field `consensus`; `rescoring.nms_consensus` computes them."""

CANDIDATE_OKS = list(CONSENSUS).index("candidate OKS")


@dataclass(frozen=True)
class Field:
    """An array that holds something of each of N poses.

    Attributes:
        name: attribute of `Poses` and argument of `refine`.
        shape: of one pose; "K" is the number of keypoints, "E" any number.
        summary: what it is, with its unit.
        required: whether poses cannot be without.
        is_input: whether rescoring reads it.
        is_signal: whether it is more than what estimators usually give.
        fill: what stands for it where it is not given; None if a rule of `rescoring.batch` does.
        file_name: what files call it, where they hold it as a value of its own.
        dtype: of the array in `Poses`.
    """

    name: str
    shape: tuple[int | str, ...]
    summary: str
    required: bool = False
    is_input: bool = True
    is_signal: bool = False
    fill: float | None = None
    file_name: str | None = None
    dtype: type[Any] = np.float32

    @property
    def may_be_unknown(self) -> bool:
        """Whether NaN says that it is not known of a pose."""
        return self.fill is not None and math.isnan(self.fill)


FIELDS = (
    Field(
        "keypoints",
        ("K", 2),
        "x and y in image pixels; NaN for a joint that was not found",
        required=True,
    ),
    Field("scores", (), "confidence of the pose", required=True),
    Field("keypoint_scores", ("K",), "confidence of each joint", fill=1.0),
    Field("boxes", (4,), "x1, y1, x2, y2 in image pixels"),
    Field(
        "consensus",
        (len(CONSENSUS),),
        "statistics of the candidates that NMS removed; NaN where not known",
        is_signal=True,
        fill=NAN,
        file_name="consensus",
    ),
    Field(
        "agreement",
        (),
        "OKS × √score of the pose that a recheck found; NaN where there was none",
        is_signal=True,
        fill=NAN,
        file_name="agreement",
    ),
    Field(
        "embeddings",
        ("E",),
        "features of the pose in the estimator's network",
        fill=NAN,
        file_name="embedding",
    ),
    Field("raw_scores", (), "the estimator's score, present after refinement", is_input=False),
    Field(
        "track_ids",
        (),
        "-1 for a pose that belongs to no track",
        is_input=False,
        dtype=np.int64,
    ),
    Field(
        "joint_confidence",
        ("K",),
        "calibrated probability that the joint is right; 0 where it was not found",
        is_input=False,
    ),
    Field(
        "joint_covariance",
        ("K", 2, 2),
        "covariance of the joint's error in image pixels²; NaN where it was not found",
        is_input=False,
    ),
)
INPUTS = tuple(field for field in FIELDS if field.is_input)
SIGNALS = tuple(field.name for field in FIELDS if field.is_signal)


def shape_of(field: Field, joints: int, embedding_size: int) -> tuple[int, ...]:
    """Return the shape of a field of one pose.

    >>> shape_of(FIELDS[0], joints=17, embedding_size=0)
    (17, 2)
    """
    sizes: dict[int | str, int] = {"K": joints, "E": embedding_size}
    return tuple(size if isinstance(size, int) else sizes[size] for size in field.shape)
