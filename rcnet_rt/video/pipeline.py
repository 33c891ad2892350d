"""The road of a frame: estimate, refine, keep, draw, write. One frame at a time, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.estimators import Estimator
from rcnet_rt.poses import Poses
from rcnet_rt.video.frame import Frame

__all__ = ["Result", "process", "write"]

Refine = Callable[[Poses], Poses]


@dataclass(frozen=True, eq=False)
class Result:
    """What is known about one frame at the end of the road.

    Attributes:
        frame: the picture and its time.
        poses: N refined poses, kept or not; the estimator's scores are their `raw_scores`.
        kept: (N,) whether each refined score is at least the threshold.
    """

    frame: Frame
    poses: Poses
    kept: npt.NDArray[np.bool_]


def process(
    frames: Iterable[Frame], estimator: Estimator, refine: Refine, threshold: float
) -> Iterator[Result]:
    """Yield the refined poses of every frame.

    Raises:
        RcnetError: whatever the source, the estimator or the refiner raises.
    """
    for frame in frames:
        poses = refine(estimator.estimate(frame.image_bgr))
        # Compared as it is written out, so that a file's scores and `kept` agree.
        yield Result(frame, poses, poses.scores.astype(np.float64) >= threshold)


def write(results: Iterable[Result], sinks: Iterable[Callable[[Result], None]]) -> Iterator[Result]:
    """Hand every result to every sink, then pass it on.

    Raises:
        OutputError: a sink cannot write.
    """
    sinks = tuple(sinks)
    for result in results:
        for sink in sinks:
            sink(result)
        yield result
