"""CrowdPose: COCO's format with 14 joints, no areas, and how crowded each image is."""

from __future__ import annotations

from pathlib import Path

from rcnet_rt.datasets.coco import Dataset, GroundTruth
from rcnet_rt.poses.skeletons import CROWDPOSE14

__all__ = ["EASY", "HARD", "by_crowding", "crowdpose"]

AREA_OF_BOX = 0.53  # a person's area in CrowdPose's evaluation: of the annotated box
EASY, HARD = 0.2, 0.8  # crowd index below which an image is easy, from which it is hard


def crowdpose(root: Path) -> Dataset:
    """Return the CrowdPose folder, as its authors pack it or with COCO's folder names."""
    return Dataset(
        root,
        CROWDPOSE14,
        annotations=(
            "json/crowdpose_{split}.json",
            "annotations/crowdpose_{split}.json",
            "annotations/mmpose_crowdpose_{split}.json",
        ),
        image_layouts=("images", "images/{split}"),
        usual_split="val",
        area_of_box=AREA_OF_BOX,
    )


def by_crowding(ground_truth: GroundTruth) -> dict[str, list[int]]:
    """Return image ids by CrowdPose's three groups; nothing where no crowd index is known."""
    groups: dict[str, list[int]] = {"easy": [], "medium": [], "hard": []}
    for image in ground_truth.images.values():
        if image.crowd_index is not None:
            groups[_group(image.crowd_index)].append(image.id)
    return groups if any(groups.values()) else {}


def _group(crowd_index: float) -> str:
    if crowd_index < EASY:
        return "easy"
    return "medium" if crowd_index < HARD else "hard"
