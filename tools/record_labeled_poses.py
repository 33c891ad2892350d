"""Records the labeled poses of `rcnet-rt demo`: `python -m tools.record_labeled_poses MODEL COCO`.

MODEL was YOLOv8n-pose. Each pose gets its matched OKS with the annotated people of its image, null
where nobody knows whether it is right: on a crowd, or on a person without annotated joints. Such
people are missing in about half of the annotations at hand. So all unmatched poses of these images
that either score could keep were looked at on the image, without knowing their scores, and
UNLABELED holds the boxes of those that are, or may be, on a person who is not annotated.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.ground_truth import GroundTruth
from rcnet_rt.datasets.pose_objects import parse_poses
from rcnet_rt.demo_data import LABELED_POSES
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.poses.boxes import box_iou
from rcnet_rt.poses.oks import match
from tools.record_demo_poses import recorded, write

__all__ = ["UNLABELED", "main", "matched_oks", "record"]

Box = tuple[int, int, int, int]

ESTIMATOR = "YOLOv8n-pose (INT8)"
IMAGES = "images/train2017"
SAME_BOX = 0.8  # intersection over union
# By file: x1, y1, x2, y2.
UNLABELED: Mapping[str, tuple[Box, ...]] = {
    "000000000077.jpg": ((265, 58, 319, 144), (268, 58, 306, 143)),
    "000000000315.jpg": ((533, 177, 587, 237),),
    "000000000368.jpg": ((134, 151, 155, 229), (67, 140, 85, 211), (425, 166, 468, 237)),
    "000000000389.jpg": ((0, 263, 143, 475), (387, 237, 504, 475), (170, 284, 219, 333)),
    "000000000395.jpg": ((153, 246, 225, 395), (142, 220, 179, 344)),
    "000000000488.jpg": ((547, 216, 589, 266), (211, 200, 232, 266)),
    "000000000542.jpg": ((279, 210, 308, 349),),
    "000000000544.jpg": ((147, 193, 186, 239), (248, 187, 277, 236)),
}


def record(model: str, coco: Path, out: Path = LABELED_POSES) -> None:
    """Run a model over the images of train2017 that are there, and write poses with their OKS.

    Raises:
        RcnetError: the model cannot be loaded, or the annotations not be read.
    """
    header, *lines = recorded(coco / IMAGES, model)
    header |= {"source": "COCO train2017", "estimator": ESTIMATOR}
    truth = load_ground_truth(coco, "train2017", [line["file"] for line in lines])
    write([header, *(line | {"oks": matched_oks(line, truth)} for line in lines)], out)


def matched_oks(line: dict[str, Any], truth: GroundTruth) -> list[float | None]:
    """Return the matched OKS of each pose of a line, None where nobody knows."""
    poses = parse_poses(line["poses"], len(truth.skeleton.keypoints), line.get("image_size"))
    if not len(poses):
        return []
    image = truth.find(line["file"])
    people = truth.persons[image]
    matched = match(truth.oks(image, poses.keypoints), people.ignore, poses.scores)
    unlabeled = np.array(UNLABELED.get(line["file"], ()), np.float64).reshape(-1, 4)
    on_unlabeled = (box_iou(poses.boxes, unlabeled) >= SAME_BOX).any(axis=1)
    unknown = (matched.weight == 0) | (on_unlabeled & (matched.target < TRUE_POSITIVE))
    return [
        None if nobody_knows else round(oks, 3)
        for oks, nobody_knows in zip(matched.target.tolist(), unknown, strict=True)
    ]


@click.command()
@click.argument("model")
@click.argument("coco", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), default=LABELED_POSES, help="A .jsonl.gz.")
def main(model: str, coco: Path, out: Path) -> None:
    """Record poses of the images in COCO, a folder laid out as COCO, with MODEL."""
    record(model, coco, out)


if __name__ == "__main__":
    main()
