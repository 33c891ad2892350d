"""The section of a model card that is about the joint head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rcnet_rt.evaluation.report_rows import formatted
from rcnet_rt.rescoring.joint_head import JointHead

__all__ = ["HEADING", "joint_section"]

HEADING = "## Joints"
_EXPLANATION = (
    "Confidence and covariance of joints, on images that neither the score network nor the joint "
    "head saw. Calibration error in 15 bins of equal mass per joint, mean and worst joint: a joint "
    "is right with a keypoint similarity of at least 0.5; one that is not annotated, or of a pose "
    "that matches nobody, is not right. Over annotated joints of matched poses alone the "
    "confidence is too low, because these are right more often. Coverage of the 90 % ellipses by "
    "joint, and of occluded and visible joints.",
)


def joint_section(head: JointHead | None) -> list[str]:
    """Return the lines of the section; none without a head."""
    estimators = {} if head is None else head.training.get("estimators", {})
    if not estimators:
        return []
    return [
        HEADING,
        "",
        "| estimator | poses | calibration error | of annotated joints | Brier score, raw → "
        "calibrated | coverage | occluded, visible |",
        "| --- |" + " --- |" * 6,
        *(_row(name or "unnamed", figures) for name, figures in estimators.items()),
        "",
        *_EXPLANATION,
        "",
    ]


def _row(name: str, figures: Mapping[str, Any]) -> str:
    groups = figures["groups"]

    def shares(*values: float | None, digits: int = 3) -> list[str]:
        return [formatted(value, f".{digits}f") for value in values]

    low, high = shares(*figures["coverage"])
    cells = [
        name,
        str(figures["poses"]),
        ", ".join(shares(figures["error"], figures["largest_error"], digits=4)),
        *shares(figures["annotated_error"]),
        " → ".join(shares(figures["raw_brier"], figures["brier"], digits=4)),
        f"{low} to {high}",
        ", ".join(shares(groups["occluded joints"], groups["visible joints"])),
    ]
    return "| " + " | ".join(cells) + " |"
