"""An OpenPose folder per camera with calibrated confidences, as Pose2Sim and Sports2D read it.

python examples/pose2sim/openpose_folders.py PROJECT cam01.jsonl cam02.jsonl …

The recordings are what `rcnet-rt run VIDEO --json FILE` wrote, of a video of each camera. PROJECT
gets pose/cam01_json/cam01_000000.json and so on, in the order of COCO's 17 joints: set
`pose_model = 'COCO_17'` in its Config.toml, and go on with Pose2Sim.personAssociation().
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from rcnet_rt import Poses
from rcnet_rt.datasets.jsonl import read, read_lines
from rcnet_rt.datasets.openpose import write_openpose


def kept_poses(recording: Path) -> list[Poses]:
    """Return the kept poses of each frame with their refined scores."""
    frames = []
    for frame, line in zip(read(recording)[1], read_lines(recording), strict=True):
        scores = np.array([pose["score"] for pose in line["poses"]], np.float32)
        kept = np.array([pose["kept"] for pose in line["poses"]], bool)
        frames.append(frame.poses.with_scores(scores)[kept])
    return frames


def write_project(project: Path, recordings: list[Path]) -> list[Path]:
    """Write a folder for each recording, and return the folders."""
    folders = []
    for recording in recordings:
        camera = recording.name.removesuffix(".gz").removesuffix(".jsonl")
        folder = project / "pose" / f"{camera}_json"
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_openpose(folder, kept_poses(recording), camera)
        folders.append(folder)
    return folders


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("recordings", type=Path, nargs="+")
    options = parser.parse_args()
    for folder in write_project(options.project, options.recordings):
        print(folder)
