"""Refined poses for FiftyOne: look at the images whose order changed most. Needs no FiftyOne.

    rcnet-rt run images/ --no-video --json poses.jsonl
    python examples/fiftyone_export.py poses.jsonl images/ samples.json

and, where FiftyOne is installed:

    from fiftyone_export import load
    import fiftyone as fo
    fo.launch_app(load("samples.json"))
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from rcnet_rt.datasets import jsonl
from rcnet_rt.poses.skeletons import get
from rcnet_rt.video.images import read_image


def export(recording: Path, images: Path, out: Path) -> None:
    """Write one sample an image: its path, and a keypoint label for each pose."""
    header, _ = jsonl.read(recording)
    samples = []
    for line in jsonl.read_lines(recording):
        path = images / line["file"]
        height, width = read_image(path).shape[:2]
        labels = [label(pose, width, height) for pose in line["poses"]]
        samples.append({"filepath": str(path.resolve()), "poses": labels})
    skeleton = get(header.skeleton)
    content = {"keypoints": skeleton.keypoints, "edges": skeleton.links, "samples": samples}
    out.write_text(json.dumps(content))


def label(pose: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    """Return a pose as FiftyOne has it: points from 0 to 1, NaN for a joint that was not found."""
    joints = [joint or (math.nan, math.nan, 0.0) for joint in pose["keypoints"]]
    return {
        "label": "person",
        "points": [[x / width, y / height] for x, y, *_ in joints],
        "confidence": [joint[2] if len(joint) > 2 else 1.0 for joint in joints],
        "score": pose["score"],
        "raw_score": pose["score_raw"],
        "gain": pose["score"] - pose["score_raw"],
        "kept": pose["kept"],
    }


def load(path: str) -> Any:
    """Return the samples as a FiftyOne dataset, with its skeleton."""
    import fiftyone as fo

    content = json.loads(Path(path).read_text())
    dataset = fo.Dataset()
    dataset.default_skeleton = fo.KeypointSkeleton(
        labels=content["keypoints"], edges=content["edges"]
    )
    dataset.add_samples(
        fo.Sample(
            filepath=sample["filepath"],
            poses=fo.Keypoints(keypoints=[fo.Keypoint(**each) for each in sample["poses"]]),
        )
        for sample in content["samples"]
    )
    return dataset


if __name__ == "__main__":
    export(*map(Path, sys.argv[1:4]))
