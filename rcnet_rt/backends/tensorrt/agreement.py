"""How far a backend is from another, on random poses and on real ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rcnet_rt.backends.protocol import Backend
from rcnet_rt.demo_data import POSES as RECORDED
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.arrays import float32_of, is_torch
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.weights import Weights

__all__ = ["largest_difference"]


def largest_difference(
    backend: Backend, other: Backend, weights: Weights, counts: Sequence[int]
) -> float:
    """Return how far scores are apart at most; NaN if any is NaN.

    Args:
        backend: one.
        other: the other.
        weights: that both run.
        counts: numbers of random poses. Weights for coco17 are compared on the demo's poses, too.
    """
    assert weights.skeleton is not None
    joints = len(skeletons.get(weights.skeleton).keypoints)
    samples = [*_random_poses(counts, joints)]
    if weights.skeleton == "coco17":
        samples += _recorded_poses()
    return float(np.max([_difference(backend, other, inputs) for inputs in samples]))


def _difference(backend: Backend, other: Backend, inputs: PoseInputs) -> float:
    scores = [_host(each(inputs).scores) for each in (backend, other)]
    return float(np.abs(scores[0] - scores[1]).max())


def _random_poses(counts: Sequence[int], joints: int) -> Iterator[PoseInputs]:
    """Poses of which a fifth of the joints was not found."""
    rng = np.random.default_rng(0)
    for count in counts:
        keypoints = rng.uniform(0, 500, (count, joints, 2))
        keypoints[rng.random((count, joints)) < 0.2] = np.nan
        yield PoseInputs(keypoints, rng.random(count), rng.random((count, joints)))


@lru_cache
def _recorded_poses() -> tuple[PoseInputs, ...]:
    """Return the poses of the demo's clip, an image each."""
    with gzip.open(RECORDED, "rt", encoding="utf-8") as file:
        frames = [json.loads(line) for line in file]
    return tuple(_inputs(frame["poses"]) for frame in frames if frame.get("poses"))


def _inputs(poses: Sequence[dict[str, object]]) -> PoseInputs:
    points = float32_of([pose["keypoints"] for pose in poses])
    scores, boxes = (float32_of([pose[name] for pose in poses]) for name in ("score_raw", "box"))
    return PoseInputs(points[..., :2], scores, points[..., 2], boxes)


def _host(scores: object) -> npt.NDArray[np.float64]:
    array = scores.cpu().numpy() if is_torch(scores) else scores  # type: ignore[attr-defined]
    return np.asarray(array, np.float64)
