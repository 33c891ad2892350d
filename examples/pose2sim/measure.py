"""What the weights of a triangulation are worth: each camera in turn is left out and predicted.

python examples/pose2sim/measure.py --calibration Calib.qca.txt cam01.jsonl cam02.jsonl …

Recordings of one person by `rcnet-rt run --json`, with weights that have a joint head. A joint is
triangulated from the other cameras and projected into the one left out; the error is the distance
from the joint that was found there. Each half of the frames is judged with the settings that are
best on the other half, for each row of the table by itself; 95 % intervals are by a bootstrap over
blocks of frames. Frame offsets are estimated once, without weights.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cameras import read_qualisys
from openpose_folders import kept_poses
from triangulation import dlt, least_squares, project

from rcnet_rt import Poses
from rcnet_rt.poses.skeletons import COCO17

MAX_OFFSET = 8  # frames
BLOCK, RESAMPLES = 10, 2000  # frames in a block of the bootstrap
NOISE = (5.0, 10.0, 20.0, 40.0)  # pixels; calibration and timing, or a joint of confidence 1
MOTION = (5.0, 10.0, 20.0)  # millimeters; see `least_squares`
DEGREES = 4.0


@dataclass(frozen=True)
class Views:
    """One person: F frames, K joints, C cameras.

    Attributes:
        pixels: (F, K, C, 2).
        scores: (F, K, C) the estimator's joint scores.
        confidence: (F, K, C) calibrated.
        covariance: (F, K, C, 2, 2) square pixels.
    """

    pixels: np.ndarray
    scores: np.ndarray
    confidence: np.ndarray
    covariance: np.ndarray

    def __getitem__(self, index: object) -> Views:
        return Views(*(array[index] for array in vars(self).values()))

    def isotropic(self, confidence: np.ndarray, noise: float) -> np.ndarray:
        """Return covariances that a confidence stands for if 1 is `noise` pixels."""
        deviation = noise / np.maximum(confidence, 1e-3)
        return (deviation**2)[..., None, None] * np.eye(2)


Triangulate = Callable[[np.ndarray, Views], np.ndarray]  # projections and views of some cameras


def weightings() -> dict[str, dict[str, list[Triangulate]]]:
    """Return the solvers, and for each the weights, with the settings that are to choose from."""

    def by_weight(name: str) -> list[Triangulate]:
        return [lambda cameras, seen: dlt(cameras, seen.pixels, getattr(seen, name))]

    def squares(name: str, noise: float, **more: float) -> Triangulate:
        def triangulate(cameras: np.ndarray, seen: Views) -> np.ndarray:
            if name == "covariance":
                known = seen.covariance + noise**2 * np.eye(2)
            else:
                known = seen.isotropic(getattr(seen, name), noise)
            return least_squares(cameras, seen.pixels, known, **more)

        return triangulate

    solvers: dict[str, list[dict[str, float]]] = {
        "least squares": [{}],
        "robust": [{"degrees": DEGREES}],
        "robust and smooth": [{"degrees": DEGREES, "motion": motion} for motion in MOTION],
    }
    names = {"raw": "scores", "confidence": "confidence", "covariance": "covariance"}
    found: dict[str, dict[str, list[Triangulate]]] = {
        "DLT": {
            "raw": by_weight("scores"),
            "none": [lambda cameras, seen: dlt(cameras, seen.pixels, seen.scores**0)],
            "confidence": by_weight("confidence"),
        }
    }
    for solver, options in solvers.items():
        found[solver] = {
            label: [
                squares(name, noise, **more) for noise, more in itertools.product(NOISE, options)
            ]
            for label, name in names.items()
        }
    return found


def left_out_errors(projections: np.ndarray, views: Views, triangulate: Triangulate) -> np.ndarray:
    """Return (F, K, C) pixels between a joint in a camera and where the others place it."""
    errors = np.empty(views.scores.shape)
    for camera in range(len(projections)):
        rest = [index for index in range(len(projections)) if index != camera]
        points = triangulate(projections[rest], views[:, :, rest])
        seen = project(projections[[camera]], points)[..., 0, :]
        errors[..., camera] = np.linalg.norm(seen - views.pixels[:, :, camera], axis=-1)
    return errors


def associate(projections: np.ndarray, frames: list[tuple[Poses, ...]]) -> Views:
    """Return the person that is in all cameras: in each frame the poses that fit best together."""
    chosen = []
    for poses in frames:
        combinations = list(itertools.product(*(range(len(some)) for some in poses)))
        if not combinations:
            raise ValueError("a camera sees nobody in a frame; cut the recordings")
        fits = []
        for combination in combinations:
            pairs = zip(poses, combination, strict=True)
            pixels = np.stack([some.keypoints[row] for some, row in pairs], axis=1)
            seen = project(projections, dlt(projections, pixels, np.ones(pixels.shape[:2])))
            fits.append(np.nanmedian(np.linalg.norm(seen - pixels, axis=-1)))
        best = combinations[int(np.argmin(fits))]
        chosen.append([some[row] for some, row in zip(poses, best, strict=True)])

    def stacked(name: str) -> np.ndarray:
        values = [[getattr(pose, name)[0] for pose in poses] for poses in chosen]
        return np.moveaxis(np.array(values, np.float64), 1, 2)

    names = ("keypoints", "keypoint_scores", "joint_confidence", "joint_covariance")
    return Views(*map(stacked, names))


def shifted(frames: list[list[Poses]], offsets: tuple[int, ...]) -> list[tuple[Poses, ...]]:
    """Return the frames of all cameras, camera c being `offsets[c]` frames late."""
    moved = [camera[offset:] for camera, offset in zip(frames, offsets, strict=True)]
    return list(zip(*moved, strict=False))


def estimate_offsets(projections: np.ndarray, frames: list[list[Poses]]) -> tuple[int, ...]:
    """Return how many frames each camera is late: the median reprojection error is smallest."""
    views = associate(projections, shifted(frames, (0,) * len(frames)))

    def error(offsets: tuple[int, ...]) -> float:
        start, length = np.array(offsets) - min(offsets), len(views.pixels)
        kept = length - max(start)
        columns = [views.pixels[first : first + kept, :, c] for c, first in enumerate(start)]
        pixels = np.stack(columns, axis=2)
        seen = project(projections, dlt(projections, pixels, np.ones(pixels.shape[:3])))
        return float(np.nanmedian(np.linalg.norm(seen - pixels, axis=-1)))

    offsets = [0] * len(frames)
    for camera in [*range(1, len(frames))] * 3:
        trials = [[*offsets[:camera], k, *offsets[camera + 1 :]] for k in _around()]
        offsets = min(trials, key=lambda trial: error(tuple(trial)))
    return tuple(offset - min(offsets) for offset in offsets)


def _around() -> range:
    return range(-MAX_OFFSET, MAX_OFFSET + 1)


def bootstrap(errors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return (2, R, K) mean errors of each joint, after and before, over resampled blocks."""
    blocks = len(errors) // BLOCK
    rng = np.random.default_rng(0)
    means = [
        np.nanmean(each[: blocks * BLOCK].reshape(blocks, BLOCK, *each.shape[1:]), axis=(1, 3))
        for each in (errors, reference)
    ]
    drawn = rng.integers(0, blocks, (RESAMPLES, blocks))
    after, before = (mean[drawn].mean(axis=1) for mean in means)
    return np.stack([after, before])


def cross_fitted(projections: np.ndarray, views: Views, settings: list[Triangulate]) -> np.ndarray:
    """Return (F, K, C) errors; each half of the frames with the setting best on the other half."""
    half = len(views.pixels) // 2
    first, second = (
        [left_out_errors(projections, part, setting) for setting in settings]
        for part in (views[:half], views[half:])
    )
    best_of_first, best_of_second = (
        int(np.argmin([np.nanmean(errors) for errors in part])) for part in (first, second)
    )
    return np.concatenate([first[best_of_second], second[best_of_first]])


def main(calibration: Path, recordings: list[Path]) -> None:
    """Print the table."""
    projections = read_qualisys(calibration)
    frames = [kept_poses(recording) for recording in recordings]
    offsets = estimate_offsets(projections, frames)
    views = associate(projections, shifted(frames, offsets))
    print(
        f"frame offsets {offsets}; {len(views.pixels)} frames; changes against DLT with raw joint"
    )
    print("scores, and against raw joint scores in the same solver")
    reference = None
    for solver, weights in weightings().items():
        same_solver = None
        for name, settings in weights.items():
            errors = cross_fitted(projections, views, settings)
            reference = errors if reference is None else reference
            same_solver = errors if same_solver is None else same_solver
            print(
                f"{solver + ', ' + name:33s} {np.nanmean(errors):6.2f} px "
                f"{_change(errors, reference)} {_change(errors, same_solver)}; "
                f"significantly worse: {_worse(errors, reference)}"
            )


def _change(errors: np.ndarray, reference: np.ndarray) -> str:
    after, before = (means.mean(axis=1) for means in bootstrap(errors, reference))
    low, high = np.quantile(100 * (after / before - 1), [0.025, 0.975])
    change = 100 * (np.nanmean(errors) / np.nanmean(reference) - 1)
    return f"{change:+6.1f} % [{low:+.1f}, {high:+.1f}]"


def _worse(errors: np.ndarray, reference: np.ndarray) -> str:
    """Return the joints whose error has grown, by the 95 % interval of the bootstrap."""
    after, before = bootstrap(errors, reference)
    worse = np.quantile(after - before, 0.025, axis=0) > 0
    return ", ".join(np.array(COCO17.keypoints)[worse]) or "none"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("recordings", type=Path, nargs="+")
    options = parser.parse_args()
    main(options.calibration, options.recordings)
