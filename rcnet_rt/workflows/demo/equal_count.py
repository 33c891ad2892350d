"""The demo's sentence and its image: which poses raw and refined scores keep, as many each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rcnet_rt.files.writing import write_atomically
from rcnet_rt.report.equal_count import DrawnPose, draw_equal_count
from rcnet_rt.video.overlay import FAR, MIN_JOINT_CONFIDENCE
from rcnet_rt.workflows.demo.labeled_poses import LabeledPoses, Refined

__all__ = ["closing_sentence", "write_image"]

Booleans = npt.NDArray[np.bool_]
SOURCE = "COCO train2017, which the estimator was trained on and the refining weights were not"


def closing_sentence(refined: Refined) -> str:
    """Return how many false poses each score keeps."""
    kept = refined.kept
    return (
        f"Of the {kept.count} poses that each keeps on {len(refined.images)} images, raw scores "
        f"keep {kept.false_raw} false ones, refined scores {kept.false_refined or 'none'}."
    )


def write_image(path: Path, data: LabeledPoses, refined: Refined) -> None:
    """Draw every pose that only one of the scores keeps, and write a PNG whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    kept = refined.kept
    both = kept.raw & kept.refined
    title = (
        f"Of {kept.count} poses kept by each, raw scores keep {kept.false_raw} false ones, "
        f"refined scores {kept.false_refined}"
    )
    subtitle = (
        f"{both.sum()} poses are kept by both, {(both & ~kept.true).sum()} false ones among them; "
        "these are all the others:"
    )
    footer = (
        f"{data.estimator} on {len(refined.images)} images of {SOURCE}.\n"
        "True: OKS of 0.5 or more with an annotated person. Below each pose: its rank by raw → "
        f"refined score; ranks 1 to {kept.count} are kept."
    )
    raw_only, refined_only = (
        [_drawn(refined, int(index), keeps) for index in np.flatnonzero(keeps & ~both)]
        for keeps in (kept.raw, kept.refined)
    )
    png = draw_equal_count(raw_only, refined_only, data.skeleton, title, subtitle, footer)
    write_atomically(path, png)


def _drawn(refined: Refined, index: int, keeps: Booleans) -> DrawnPose:
    """Return a judged pose with the others of its image that the same scores keep."""
    kept, image, pose = refined.kept, refined.image[index], refined.pose[index]
    beside = refined.pose[keeps & (refined.image == image) & (refined.pose != pose)]
    poses = refined.images[image]
    points = np.clip(poses.keypoints, -FAR, FAR).astype(np.float64)
    sure = poses.found
    if poses.keypoint_scores is not None:
        sure = sure & (poses.keypoint_scores >= MIN_JOINT_CONFIDENCE)
    return DrawnPose(
        keypoints=points[pose],
        sure=sure[pose],
        others=np.where(sure[..., None], points, np.nan)[beside],
        is_true=bool(kept.true[index]),
        ranks=(int(kept.raw_ranks[index]), int(kept.refined_ranks[index])),
    )
