"""Images of the poses whose score rose and fell most because of a signal, with their OKS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.estimators.recheck import crop_around
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.video.images import read_image
from rcnet_rt.video.overlay import draw

__all__ = ["sheet"]

Floats = npt.NDArray[np.float64]

SIDE = 320  # pixels of a tile
COLUMNS = 4


def sheet(
    dataset: Dataset, data: LabeledResults, before: Floats, after: Floats, path: Path
) -> None:
    """Write an image: the largest rises of a score in the upper row, the largest falls below.

    Scores are labelled before -> after; the OKS is that with the matched person.
    """
    change = after - before
    order = np.argsort(change, kind="stable")
    rows = [order[::-1][:COLUMNS], order[:COLUMNS]]
    tiles = [[_tile(dataset, data, int(row), before, after) for row in part] for part in rows]
    cv2.imwrite(str(path), np.vstack([np.hstack(part) for part in tiles]))


def _tile(
    dataset: Dataset, data: LabeledResults, entry: int, before: Floats, after: Floats
) -> npt.NDArray[np.uint8]:
    image = data.entries[entry]["image_id"]
    item = data.poses[image]
    pose = item.poses[int(np.flatnonzero(item.entries == entry)[0])]
    scored = replace(
        pose,
        scores=after[[entry]].astype(np.float32),
        raw_scores=before[[entry]].astype(np.float32),
    )
    image_bgr = read_image(dataset.image_path(data.ground_truth.images[image]))
    drawn = draw(image_bgr, scored, np.array([True]), data.ground_truth.skeleton)
    assert pose.boxes is not None
    view, _ = crop_around(drawn, pose.boxes[0])
    tile = cv2.resize(view, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    text = f"OKS {data.match.target[entry]:.2f}  {before[entry]:.2f} -> {after[entry]:.2f}"
    cv2.rectangle(tile, (0, SIDE - 26), (SIDE, SIDE), (0, 0, 0), cv2.FILLED)
    place = (8, SIDE - 8)
    cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(tile, dtype=np.uint8)
