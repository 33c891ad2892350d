"""What the field's tools write into COCO results, where they differ: facts, in one table.

All of them are read alike, refined, and written back with only `score` changed. The tests hold a
small sample of each, our own numbers in their form.
"""

from __future__ import annotations

from dataclasses import dataclass

from rcnet_rt.rescoring.score_convention import (
    ABOVE_0,
    CONSTANT_JOINTS,
    NO_JOINTS,
    UNBOUNDED_JOINTS,
    UNIT,
    UNIT_JOINTS,
    ScoreConvention,
)

__all__ = ["RESULTS_FORMATS", "ResultsFormat"]


@dataclass(frozen=True)
class ResultsFormat:
    """How a tool writes COCO results.

    Attributes:
        score: what `score` is.
        third: what the third value of a joint is.
        box: what `bbox` is, "" where there is none.
        convention: of the scores, as `rescoring.score_convention` has it.
        more: names of other fields.
        joints: how many.
        note: what else is peculiar.
    """

    score: str
    third: str
    box: str
    convention: ScoreConvention
    more: tuple[str, ...] = ()
    joints: int = 17
    note: str = ""


_UNIT = ScoreConvention(UNIT, UNIT_JOINTS)
_HEAT = "heat-map value, may pass 1 a little"
_EXTENT = "extent of the joints"
_GROUPED = ResultsFormat("mean of the joint scores", _HEAT, _EXTENT, _UNIT)

RESULTS_FORMATS: dict[str, ResultsFormat] = {
    "HRNet, mmpose 0.x": ResultsFormat(
        "box score × mean of the joint scores above 0.2", _HEAT, "", _UNIT, ("center", "scale")
    ),
    "mmpose 1.x": ResultsFormat(
        "as its `score_mode` says",
        "heat-map value, or SimCC peak, which passes 1",
        "",
        ScoreConvention(UNIT, UNBOUNDED_JOINTS),
        note="`*.keypoints.json`; `bbox_rle` adds mean and maximum of the joints: scores up to 3",
    ),
    "DEKR": ResultsFormat(
        "mean of the joint scores, × its rescoring network's", _HEAT, _EXTENT, _UNIT
    ),
    "HigherHRNet, SWAHR": _GROUPED,
    "PINet": _GROUPED,
    "CID": _GROUPED,
    "LOGO-CAP": _GROUPED,
    "ED-Pose, GroupPose": ResultsFormat(
        "class probability of the query",
        "0.7311 for every joint, which says nothing",
        "",
        ScoreConvention(UNIT, CONSTANT_JOINTS),
    ),
    "detectron2": ResultsFormat(
        "box score",
        "probability of the heat map's peak",
        "detector's",
        _UNIT,
        note="`coco_instances_results.json`; joints half a pixel less",
    ),
    "ultralytics": ResultsFormat(
        "box score, 5 places",
        "joint confidence",
        "detector's, 3 places",
        _UNIT,
        ("file_name",),
        note="`predictions.json`; `image_id` is the file's name where it is no number",
    ),
    "AlphaPose": ResultsFormat(
        "box score + mean + 1.25 × maximum of the joint scores",
        "heat-map value",
        "detector's, called `box`",
        ScoreConvention(ABOVE_0, UNIT_JOINTS),
        ("box", "idx"),
        note="`image_id` is the file's name; 26, 133 or 136 joints begin with COCO's 17",
    ),
    "OpenPifPaf": ResultsFormat(
        "weighted mean of the joint scores",
        "joint confidence, 0 for a joint that was not found",
        "",
        _UNIT,
        note="an image without people has an entry of zeros",
    ),
    "Lightweight OpenPose": ResultsFormat(
        "mean part affinity × (joints - 1)",
        "1 found, 0 not found; elsewhere 2",
        "",
        ScoreConvention(ABOVE_0, NO_JOINTS),
    ),
    "CrowdPose": ResultsFormat(
        "of whatever estimator", _HEAT, _EXTENT, _UNIT, joints=14, note="14 joints"
    ),
}
