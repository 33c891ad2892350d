"""What happens to each frame of a video: the models, the stages, and what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError, WeightsError
from rcnet_rt.estimators import Estimator
from rcnet_rt.estimators.flip_test import FlipTest
from rcnet_rt.estimators.recheck import Recheck
from rcnet_rt.monitoring.drift_monitor import DriftMonitor
from rcnet_rt.monitoring.profile import CameraProfile, Setup
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.selection import Mask, has_joints, joint_indices, suppress_duplicates
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.temporal.hysteresis import Hysteresis
from rcnet_rt.temporal.smoothing import ScoreSmoothing
from rcnet_rt.temporal.tracking import ByteTrack
from rcnet_rt.video import overlay, pipeline
from rcnet_rt.video.pipeline import Result, Sink, Stage
from rcnet_rt.video.thread_budget import ThreadBudget
from rcnet_rt.video.threshold import Threshold
from rcnet_rt.workflows.scoring import Scoring, load_scoring
from rcnet_rt.workflows.workers import Parallelism, Workers, load_workers

__all__ = ["REFINED_AT_ONCE", "Models", "VideoOptions", "load_models", "stages"]

# A call costs more than the poses in it; but every frame that waits holds its image in memory.
REFINED_AT_ONCE = 8


@dataclass(frozen=True)
class VideoOptions:
    """The arguments of `workflows.video.process_video`, where they are described."""

    source: str
    model: str
    weights: str
    threshold: str | float
    out: Path | None
    draws: bool
    json: Path | None
    telemetry: Path | None
    compare: bool
    ellipses: bool
    recheck: int
    track: bool
    nms_oks: float | None
    joints: tuple[str, ...]
    min_joint_confidence: float
    max_frames: int | None
    realtime: bool
    sandbox: bool
    show: bool
    imgsz: int | tuple[int, int] | None
    half: bool
    device: str
    backend: str
    parallelism: Parallelism
    serve: str | None = None
    serve_token: str | None = None
    drift_alarm: bool = False
    drift_reference: int = 600
    profile: Path | CameraProfile | None = None
    flip_test: bool = False


@dataclass(frozen=True)
class Models:
    """What stays the same from source to source.

    Attributes:
        scoring: refines, with its thresholds.
        setup: what the scores come from.
        profile: of the camera; None without.
        threshold: refined score from which poses are kept now; at first that of the scoring.
        workers: estimate the poses of frames, each of its own.
        estimator: the first of them; a `Recheck` where rechecks are asked for.
        compare: whether raw scores are drawn beside the refined ones.
        ellipses: whether the ellipses of the joints are drawn.
    """

    scoring: Scoring
    setup: Setup
    profile: CameraProfile | None
    threshold: Threshold
    workers: Workers
    estimator: Estimator
    compare: bool
    ellipses: bool

    def draw(self, result: Result) -> Image:
        """Return the image with the poses that are kept; to compare, with those of raw scores.

        Raises:
            WeightsError: ellipses are asked for, and the poses have no covariance.
        """
        if self.compare:
            return self.draw_comparison(result)
        self._check_ellipses(result)
        image, poses, kept = result.frame.image_bgr, result.poses, result.kept
        skeleton = self.estimator.skeleton
        return _warned(overlay.draw(image, poses, kept, skeleton, ellipses=self.ellipses), result)

    def draw_comparison(self, result: Result) -> Image:
        """Return an image twice as wide: poses that raw scores keep left, those kept right.

        Raises:
            WeightsError: ellipses are asked for, and the poses have no covariance.
        """
        self._check_ellipses(result)
        assert result.threshold is not None
        drawn = overlay.compare(
            result.frame.image_bgr,
            result.poses,
            result.kept,
            self.estimator.skeleton,
            threshold=result.threshold,
            raw_threshold=self.scoring.raw_threshold,
            ellipses=self.ellipses,
        )
        return _warned(drawn, result)

    def draw_raw(self, result: Result) -> Image:
        """Return the image with the poses that the raw scores would keep."""
        threshold, skeleton = self.scoring.raw_threshold, self.estimator.skeleton
        return overlay.draw_raw(result.frame.image_bgr, result.poses, threshold, skeleton)

    def _check_ellipses(self, result: Result) -> None:
        poses = result.poses
        if self.ellipses and len(poses) and poses.joint_covariance is None:
            raise WeightsError(
                f"--ellipses needs a covariance of each joint, and weights {self.scoring.name!r} "
                "have no joint head; choose weights with one, or leave --ellipses out"
            )


def _warned(drawn: Image, result: Result) -> Image:
    """Return a drawn image with what has drifted written on it, in place."""
    overlay.warn(drawn, [change.text for change in result.drift])
    return drawn


def load_models(options: VideoOptions, budget: ThreadBudget) -> Models:
    """Load the weights and the estimators, and check that they suit each other.

    Raises:
        RcnetError: one of them cannot be loaded, or a package for tracking is missing.
    """
    profile = options.profile
    if isinstance(profile, Path):
        profile = CameraProfile.load(profile)
    scoring = load_scoring(
        options.weights,
        options.threshold,
        family=estimators.family(options.model),
        device=options.device,
        backend=options.backend,
        profile=profile,
    )
    workers = load_workers(
        options.model,
        options.parallelism,
        budget,
        floor=scoring.floor,
        device=options.device,
        embeddings=scoring.visual,
        imgsz=options.imgsz,
        half=options.half,
    )
    estimator = workers.first
    scoring.check(estimator)
    setup = _setup(options, estimator, scoring)
    if profile is not None:
        profile.check(setup)
    if options.recheck and options.flip_test:
        raise EstimatorError(
            "a recheck and a flip test give the same signal; choose one of --recheck and "
            "--flip-test"
        )
    if options.recheck:
        estimator = Recheck(estimator, scoring.refine, options.recheck)
    elif options.flip_test:
        _check_agreement(scoring)
        workers = replace(workers, estimators=tuple(map(FlipTest, workers.estimators)))
        estimator = workers.first
    models = Models(
        scoring,
        setup,
        profile,
        Threshold(scoring.threshold),
        workers,
        estimator,
        options.compare,
        options.ellipses,
    )
    _rules(options, estimator.skeleton)  # an unknown joint fails before anything is written
    if options.track:
        _track(models)  # what is not installed fails before anything is written
    return models


def _check_agreement(scoring: Scoring) -> None:
    """Check that the weights use what a flip test gives.

    Raises:
        WeightsError: they do not.
    """
    if scoring.weights is None or "agreement" not in scoring.weights.signals:
        raise WeightsError(
            f"weights {scoring.name!r} do not use a flip test; leave --flip-test out, or take "
            "weights trained with --features signals, such as yolo-pose"
        )


def _setup(options: VideoOptions, estimator: Estimator, scoring: Scoring) -> Setup:
    size = options.imgsz
    return Setup(
        estimator=estimator.name,
        imgsz=(size, size) if isinstance(size, int) else size,
        skeleton=estimator.skeleton.name,
        weights=scoring.name,
        fingerprint="" if scoring.weights is None else scoring.weights.fingerprint,
    )


def stages(
    models: Models,
    sinks: Sequence[Sink],
    options: VideoOptions,
    *,
    draws: bool,
    frame_by_frame: bool,
    watch: DriftMonitor | None = None,
) -> list[Stage]:
    """Return the stages that the frames of one source pass.

    Args:
        models: what estimates and refines.
        sinks: take the results.
        options: which stages there are.
        draws: whether the results are drawn.
        frame_by_frame: whether somebody waits for each result before the next frame.
        watch: the drift alarm of the source; None without.
    """
    estimator, workers = models.estimator, models.workers
    if isinstance(estimator, Recheck):
        each = [estimator.first, *workers.estimators[1:]]
        steps = [pipeline.estimate(each, workers.batch), pipeline.recheck(estimator.look)]
    else:
        steps = [pipeline.estimate(workers.estimators, workers.batch)]
    scoring, threshold = models.scoring, models.threshold
    if frame_by_frame:
        steps.append(pipeline.refine(scoring.refine, threshold))
    else:
        steps.append(pipeline.refine_batches(scoring.refine_batch, threshold, REFINED_AT_ONCE))
    if watch is not None:
        steps.append(pipeline.monitor(watch))
    if options.track:
        steps.append(_track(models))
    if rules := _rules(options, estimator.skeleton):
        steps.append(pipeline.select(rules))
    if draws:
        steps.append(pipeline.draw(models.draw))
    return [*steps, pipeline.write(sinks)]


def _rules(options: VideoOptions, skeleton: Skeleton) -> list[Callable[[Poses], Mask]]:
    """Return which poses to keep beside the threshold.

    Raises:
        SkeletonError: a joint that the skeleton does not have.
    """
    rules: list[Callable[[Poses], Mask]] = []
    if options.joints:
        joint_indices(options.joints, skeleton)
        rules.append(
            partial(
                has_joints,
                joints=options.joints,
                min_confidence=options.min_joint_confidence,
                skeleton=skeleton,
            )
        )
    if options.nms_oks is not None:
        rules.append(partial(suppress_duplicates, oks=options.nms_oks, skeleton=skeleton))
    return rules


def _track(models: Models) -> Stage:
    """Return the stage that tracks people, which remembers one source."""
    keep = Hysteresis(float(models.threshold))
    # A pose that could not even stay kept is not worth tracking.
    follow = ByteTrack(least=keep.leave)
    return pipeline.track(follow, ScoreSmoothing(models.estimator.skeleton), keep)
