"""Some minutes of a camera in; what its scores mean, without a label, out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import SourceError
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.monitoring.drift import FRAMES_PER_BLOCK, Reference
from rcnet_rt.monitoring.estimates import Curve, estimate_curve, score_histogram
from rcnet_rt.monitoring.frame_statistics import FrameStatistics, block_means
from rcnet_rt.monitoring.pose_statistics import joint_confidences, pose_sizes
from rcnet_rt.monitoring.profile import CameraProfile, Setup, quantiles
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.privacy import mask_address
from rcnet_rt.rescoring.correct_probability import CorrectProbability
from rcnet_rt.rescoring.score_reference import ScoreReference
from rcnet_rt.video.pipeline import Result
from rcnet_rt.video.source import is_live, split
from rcnet_rt.workflows.progress import OnProgress, ignore
from rcnet_rt.workflows.scoring import Scoring
from rcnet_rt.workflows.video import process_video

__all__ = ["profile_camera"]

REFERENCE_KNOTS = 256
TIME_BLOCKS = 60  # stretches of time that the intervals draw from
SHORT_SECONDS = 60  # less is one moment of a camera

Floats = npt.NDArray[np.float64]


def profile_camera(
    source: str | PathLike[str] | int,
    *,
    model: str = "yolo-pose",
    weights: str = "auto",
    min_precision: float | None = None,
    out: str | PathLike[str] | None = None,
    max_frames: int | None = None,
    sandbox: bool = False,
    imgsz: int | tuple[int, int] | None = None,
    half: bool = False,
    device: str = "auto",
    backend: str = "auto",
    workers: int | None = None,
    batch: int = 1,
    threads: int | None = None,
    progress: OnProgress = ignore,
) -> CameraProfile:
    """Return what a camera's scores mean, from some minutes of it and no label.

    Precision and recall are estimated from the refined scores (`monitoring.estimates`); weights
    that were trained before that hold no probability of a true positive, and the profile then says
    so and has neither. `process_video(..., profile=...)` uses the result.

    Args:
        source: a video, an image, a folder, a glob, a number of a camera or a stream's address.
        model: the estimator, as for `estimators.load`.
        weights: as for `process_video`.
        min_precision: in (0, 1): choose the lowest threshold with this estimated precision; None
            chooses the one with the best F1.
        out: file to write it to; None writes none.
        max_frames: stop after so many frames; needed for a camera or stream.
        sandbox: decode files in a process of its own.
        imgsz: as for `estimators.load`.
        half: as for `estimators.load`.
        device: "auto", "cpu", "cuda", …
        backend: as for `Refiner`.
        workers: how many frames of a file are estimated at a time, as for `process_video`.
        batch: frames of a file that are given to the estimator at once, for a GPU.
        threads: CPUs to use; None is all that are allowed.
        progress: called when a source begins and after each frame.

    Raises:
        SourceError: a live source without `max_frames`, or one that cannot be read.
        RcnetError: what `process_video` raises. Nothing is written then.
    """
    if max_frames is None and any(map(is_live, split(str(source)))):
        raise SourceError(
            f"{source} is live and does not end; give --max-frames, such as 9000 for five minutes "
            "at 30 frames per second"
        )
    if min_precision is not None and not 0 < min_precision < 1:
        raise ValueError(f"min_precision must be in (0, 1), got {min_precision}")
    if out is not None:
        check_output_file(Path(out))
    run = process_video(
        source,
        model=model,
        weights=weights,
        max_frames=max_frames,
        sandbox=sandbox,
        imgsz=imgsz,
        half=half,
        device=device,
        backend=backend,
        workers=workers,
        batch=batch,
        threads=threads,
        progress=progress,
    )
    seen = _Seen()
    with run:
        for result in run:
            seen.add(result)
    if not seen.poses:
        raise SourceError(f"{source} has no frame to look at; give a longer video")
    scoring, setup = run.summary.scoring, run.summary.setup
    assert scoring is not None
    assert setup is not None
    profile = _profile(mask_address(str(source)), seen, scoring, setup, min_precision)
    if out is not None:
        profile.save(Path(out))
    return profile


@dataclass
class _Seen:
    """What is kept of each frame: its poses, its time, the statistics of its image."""

    poses: list[Poses] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    images: list[Floats] = field(default_factory=list)
    measure: FrameStatistics = field(default_factory=partial(FrameStatistics, COCO17))

    def add(self, result: Result) -> None:
        """Take one frame."""
        frame = result.frame
        if frame.index == 0:  # another source begins
            self.measure.forget()
        self.images.append(self.measure(frame.image_bgr, Poses.empty(len(COCO17.keypoints))))
        self.poses.append(result.poses)
        if frame.time_seconds is not None:
            self.times.append(frame.time_seconds)

    @property
    def frame_rate(self) -> float | None:
        """Frames per second; None for images."""
        steps = np.diff(self.times)
        return float(1 / np.median(steps[steps > 0])) if (steps > 0).any() else None


def _profile(
    source: str, seen: _Seen, scoring: Scoring, setup: Setup, min_precision: float | None
) -> CameraProfile:
    reference = ScoreReference.of(seen.poses, REFERENCE_KNOTS)
    frames = [
        poses[poses.estimator_scores >= scoring.floor]
        for poses in _with_reference(seen.poses, scoring, reference)
    ]
    curve, note = _curve(frames, scoring)
    threshold = None
    if curve is not None:
        chosen = curve.best_f1() if min_precision is None else curve.lowest_precise(min_precision)
        if chosen is None:
            note = f"no threshold has an estimated precision of {min_precision:g}"
        else:
            threshold = float(curve.thresholds[chosen])
    rate = seen.frame_rate
    if rate is not None and len(frames) / rate < SHORT_SECONDS:
        short = f"only {len(frames) / rate:.0f} s were seen: intervals are too narrow"
        note = f"{note}; {short}" if note else short
    return CameraProfile(
        source=source,
        setup=setup,
        frames=len(frames),
        poses=sum(map(len, frames)),
        frame_rate=rate,
        reference=reference,
        distributions=_distributions(frames),
        curve=curve,
        threshold=threshold,
        min_precision=min_precision,
        note=note,
        statistics=_statistics(seen, frames, setup),
    )


def _with_reference(
    images: Sequence[Poses], scoring: Scoring, reference: ScoreReference
) -> Sequence[Poses]:
    """Return the poses as a run with this reference refines them."""
    if scoring.refiner is None or scoring.weights is None or not scoring.weights.uses_reference:
        return images
    return scoring.refiner.result().batch(images, reference=reference, on_error="raw")


def _curve(frames: Sequence[Poses], scoring: Scoring) -> tuple[Curve | None, str]:
    """Return the estimates, or why there are none."""
    if scoring.weights is None:
        return None, "precision and recall are not estimated: scores stay as they are"
    learned = CorrectProbability.of(scoring.weights)
    if learned is None:
        return None, (
            f"precision and recall are not estimated: weights {scoring.name!r} do not hold the "
            "probability of a true positive; train them again, or choose shipped ones"
        )
    if not any(map(len, frames)):
        return None, "precision and recall are not estimated: nobody was seen"
    size = -(-len(frames) // TIME_BLOCKS)
    blocks = [
        score_histogram(np.concatenate([poses.scores for poses in frames[start : start + size]]))
        for start in range(0, len(frames), size)
    ]
    return estimate_curve(blocks, len(frames), learned), ""


def _distributions(frames: Sequence[Poses]) -> dict[str, tuple[float, ...]]:
    scores = np.concatenate([poses.scores for poses in frames])
    sizes = [pose_sizes(poses, (poses.image_size or (math.nan,) * 2)[1]) for poses in frames]
    confidences = [joint_confidences(poses) for poses in frames]
    weights = np.clip(scores, 0, 1)
    return {
        "refined_score": quantiles(scores),
        "pose_size": quantiles(np.concatenate(sizes, dtype=np.float64), weights),
        "joint_confidence": quantiles(np.concatenate(confidences, dtype=np.float64), weights),
    }


def _statistics(seen: _Seen, frames: Sequence[Poses], setup: Setup) -> Reference:
    """Return blocks of frame statistics: of the images as they came, of the poses as refined."""
    measure = FrameStatistics(skeletons.get(setup.skeleton))
    of_poses = np.stack([measure(None, poses) for poses in frames])
    values = np.where(np.isnan(of_poses), np.stack(seen.images), of_poses)
    return Reference(block_means(values, FRAMES_PER_BLOCK), FRAMES_PER_BLOCK)
