"""Frames with raw and refined scores: what formats of results are converted by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.jsonl import Header
from rcnet_rt.poses.poses import Poses

__all__ = ["Provenance", "ScoredFrame"]


@dataclass(frozen=True)
class Provenance:
    """Where poses come from and how they were scored.

    Attributes:
        header: source, estimator, weights, skeleton, threshold; the source is "" for several.
        weights_sha256: of the weights file; None for a baseline, or where it is not known.
        score_convention: of the raw scores, as `rescoring.score_convention` has it; "" if unknown.
    """

    header: Header
    weights_sha256: str | None = None
    score_convention: str = ""


@dataclass(frozen=True, eq=False)
class ScoredFrame:
    """One frame or image.

    Attributes:
        source: address of the video or image.
        index: number of the frame, from 0; of COCO results, the image id.
        time: seconds, None for images.
        poses: N poses with refined scores, raw ones in `raw_scores`.
        kept: (N,) whether each pose reaches the threshold.
    """

    source: str
    index: int
    time: float | None
    poses: Poses
    kept: npt.NDArray[np.bool_]
