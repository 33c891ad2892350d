"""What score smoothing does to AP, on shaken images.

The videos have no ground truth; COCO's images have. Here an image is the last frame of a short
handheld video: the frames before are the image with a small random shift, scale, brightness and
noise. AP is of the poses in the image itself, scored alone or with the frames before.

`yolo-pose` was trained on these very images; the baseline was not trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.common import Results
from benchmarks.studies.accuracy.protocol import evaluate
from benchmarks.studies.flicker.ways import AGREEABLE
from rcnet_rt import estimators
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import Entry
from rcnet_rt.estimators import Estimator
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.poses.oks import oks
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.constants import AREA_OF_BOX
from rcnet_rt.temporal.smoothing import ScoreSmoothing
from rcnet_rt.temporal.tracking import ByteTrack

__all__ = ["measure"]

FRAMES = 8
RATE = 30
# Standard deviations: of the longer side, of the scale, of the brightness.
SHIFT, ZOOM, LIGHT = 0.01, 0.01, 0.05
NOISE = 3.0  # grey levels
UNSEEN = 0.7  # agreement of a pose that was not there before: about the mean
MIN_AGREEMENT = 0.05  # low enough to keep the order of bad poses, as in a recheck
SCORES = ("formula:score_times_confidence", "yolo-pose")


@dataclass(frozen=True)
class Clip:
    """Poses of one image's frames, with ids, and their keypoints as the image has them."""

    image: int
    frames: list[Poses]
    steady: list[np.ndarray]


def measure(data: Path, model: str) -> Results:
    """Return AP and its change, with intervals, for each way and each score."""
    estimator = estimators.load(model, floor=0.05)
    files = sorted((data / "coco" / "images").glob("*/*.jpg"))
    clips = [_clip(file, estimator) for file in files]
    entries = [entry for clip in clips for entry in _entries(clip)]
    truth = load_ground_truth(data / "coco", image_ids={clip.image for clip in clips})
    labeled = LabeledResults(truth, entries)
    return {
        "frames before": FRAMES - 1,
        "AP": [row for name in SCORES for row in _rows(labeled, clips, Refiner(name))],
    }


def _clip(file: Path, estimator: Estimator) -> Clip:
    image_bgr = cv2.imread(str(file))
    rng = np.random.default_rng(int(file.stem))
    track = ByteTrack(least=0.0)
    clip = Clip(int(file.stem), [], [])
    for index in range(FRAMES):
        frame, scale, shift = image_bgr, 1.0, np.zeros(2)
        if index < FRAMES - 1:
            frame, scale, shift = _shaken(image_bgr, rng)
        poses = track(estimator.estimate(frame), index / RATE)
        clip.frames.append(poses)
        clip.steady.append((poses.keypoints - shift) / scale)
    return clip


def _shaken(
    image_bgr: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, float, np.ndarray]:
    """Return a frame, and the scale and shift that took the image's points to it."""
    height, width = image_bgr.shape[:2]
    scale = 1 + rng.normal(0, ZOOM)
    middle = np.array([width, height]) / 2
    shift = (1 - scale) * middle + rng.normal(0, SHIFT * max(height, width), 2)
    matrix = np.column_stack([scale * np.eye(2), shift])
    moved = cv2.warpAffine(image_bgr, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    lit = moved * (1 + rng.normal(0, LIGHT)) + rng.normal(0, NOISE, moved.shape)
    return np.clip(lit, 0, 255).astype(np.uint8), scale, shift


def _entries(clip: Clip) -> Iterator[Entry]:
    """Yield the poses of the image itself as COCO results."""
    poses = clip.frames[-1]
    assert poses.keypoint_scores is not None
    joints = np.concatenate([poses.keypoints, poses.keypoint_scores[..., None]], axis=2)
    for values, score in zip(joints, poses.scores, strict=True):
        flat = values.astype(float).ravel().tolist()
        yield {"image_id": clip.image, "category_id": 1, "keypoints": flat, "score": float(score)}


def _rows(labeled: LabeledResults, clips: Sequence[Clip], refiner: Refiner) -> Iterator[Results]:
    alone = [refiner(clip.frames[-1]).scores for clip in clips]
    ways: Mapping[str, list[Any]] = {
        "alone": alone,
        "smoothing": [_smoothed(clip, refiner, COCO17) for clip in clips],
        "smoothing, agreement always 1": [_smoothed(clip, refiner, AGREEABLE) for clip in clips],
        "alone x agreement": [s * _agreement(c) for s, c in zip(alone, clips, strict=True)],
    }
    precision = labeled.average_precision
    for part, images in (("all", precision.images), ("complete", tuple(precision.complete))):
        evaluations = {
            name: evaluate(labeled, np.concatenate(scores).astype(np.float64), images, 1000)
            for name, scores in ways.items()
        }
        for name, evaluation in evaluations.items():
            gain = 100 * (evaluation.resampled - evaluations["alone"].resampled)
            low, high = np.quantile(gain, [0.025, 0.975])
            yield {
                "images": f"{part}, {len(images)}",
                "score": refiner.weights.name,
                "way": name,
                "AP": round(100 * evaluation.ap, 2),
                "change": round(100 * (evaluation.ap - evaluations["alone"].ap), 2),
                "interval": f"[{low:+.2f}, {high:+.2f}]",
            }


def _smoothed(clip: Clip, refiner: Refiner, skeleton: Skeleton) -> np.ndarray:
    smooth = ScoreSmoothing(skeleton)
    for index, poses in enumerate(clip.frames):
        last = smooth(refiner(poses), index / RATE)
    return last.scores


def _agreement(clip: Clip) -> np.ndarray:
    """Return (N,) OKS of the last poses with their tracks' poses of the frame before."""
    now, before = clip.frames[-1], clip.frames[-2]
    assert now.boxes is not None
    assert now.track_ids is not None
    assert before.track_ids is not None
    if len(before) == 0 or len(now) == 0:
        return np.full(len(now), UNSEEN)
    area = AREA_OF_BOX * np.maximum(box_areas(now.boxes.astype(np.float64)), 1)
    similarity = oks(
        clip.steady[-2], now.keypoints, now.found, area, now.boxes, np.array(COCO17.sigmas)
    ).T
    same = now.track_ids[:, None] == before.track_ids[None, :]
    seen = np.where(same, similarity, 0).max(axis=1)
    return np.clip(np.where(same.any(axis=1), seen, UNSEEN), MIN_AGREEMENT, 1)
