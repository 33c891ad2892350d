"""The demo's recorded poses with their matched OKS: refined, timed and compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets import jsonl
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.equal_count import EqualCount, keep_equal_count
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["WARM_UP", "LabeledPoses", "Refined", "read_labeled_poses", "refine_labeled_poses"]

WARM_UP = 10  # first calls, whose times are not counted: caches and clock rates settle

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabeledPoses:
    """Recorded poses of several images.

    Attributes:
        estimator: what estimated them.
        family: name of the weights made for the estimator's scores.
        skeleton: of the poses.
        images: the poses of each image.
        oks: of each image (N,) matched OKS, NaN where nobody knows whether a pose is right.
    """

    estimator: str
    family: str
    skeleton: Skeleton
    images: tuple[Poses, ...]
    oks: tuple[Floats, ...]


@dataclass(frozen=True, eq=False)
class Refined:
    """What refining labeled poses gave; M of the poses have a known OKS.

    Attributes:
        images: the refined poses of each image.
        image: (M,) in which image a pose is.
        pose: (M,) and at which place there.
        kept: which of them raw and refined scores keep.
        seconds: (C,) of the calls after the first `WARM_UP`.
    """

    images: tuple[Poses, ...]
    image: npt.NDArray[np.int64]
    pose: npt.NDArray[np.int64]
    kept: EqualCount
    seconds: Floats


def read_labeled_poses(path: Path) -> LabeledPoses:
    """Read a recording whose lines have the matched OKS of their poses as "oks".

    Raises:
        DatasetError: the file is damaged.
    """
    header, frames = jsonl.read(path)
    images = tuple(frame.poses for frame in frames)
    oks = tuple(np.array(line.get("oks"), np.float64) for line in jsonl.read_lines(path))
    for number, (poses, values) in enumerate(zip(images, oks, strict=True), start=2):
        if values.shape != (len(poses),):
            raise DatasetError(
                f'{path}, line {number}: "oks" has shape {values.shape}, expected one number or '
                f"null for each of {len(poses)} poses; write the file again"
            )
    skeleton = skeletons.get(header.skeleton)
    return LabeledPoses(header.estimator, header.family, skeleton, images, oks)


def refine_labeled_poses(
    data: LabeledPoses,
    refine: Callable[[Poses], Poses],
    threshold: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Refined:
    """Refine image after image, and keep the same number of poses by raw and by refined scores.

    Args:
        data: the poses.
        refine: called once an image.
        threshold: of the refined scores.
        clock: returns seconds.
    """
    refined, seconds = [], []
    for poses in data.images:
        start = clock()
        refined.append(refine(poses))
        seconds.append(clock() - start)
    known = [np.flatnonzero(np.isfinite(oks)) for oks in data.oks]

    def judged(values: Iterable[npt.NDArray[Any]]) -> Floats:
        """(M,) values of the poses with a known OKS, out of those of every image."""
        pairs = zip(values, known, strict=True)
        return np.concatenate([array[places] for array, places in pairs])

    return Refined(
        images=tuple(refined),
        image=np.repeat(np.arange(len(known)), [len(places) for places in known]),
        pose=np.concatenate(known),
        kept=keep_equal_count(
            raw=judged(poses.estimator_scores for poses in refined),
            refined=judged(poses.scores for poses in refined),
            oks=judged(data.oks),
            threshold=threshold,
        ),
        seconds=np.array(seconds[WARM_UP:]),
    )
