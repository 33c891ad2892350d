"""A program that does what an installation with a few packages can; it prints refined scores.

Arguments: recorded JSON Lines, COCO results, and a folder for both with refined scores.
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np

from rcnet_rt import Refiner, refine, rescore

NOT_FOUND = [np.nan, np.nan, 0.0]
BACKEND = "onnx"  # in every environment the same


def main(recorded: Path, results: Path, out: Path) -> None:
    """Print the scores of each frame by `refine` and by a `Refiner`; refine both files."""
    refiner = Refiner("yolo-pose", backend=BACKEND)
    with gzip.open(recorded, "rt") as file:
        frames = [json.loads(line) for line in file][1:]
    for poses in (frame["poses"] for frame in frames):
        keypoints = np.array([[joint or NOT_FOUND for joint in p["keypoints"]] for p in poses])
        scores = np.array([pose["score_raw"] for pose in poses])
        print(refine(keypoints, scores, backend=BACKEND).tolist())
        print(refiner.refine(keypoints, scores).tolist())
    for file in (recorded, results):
        print(rescore(file, out / file.name, "yolo-pose", backend=BACKEND).poses)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
