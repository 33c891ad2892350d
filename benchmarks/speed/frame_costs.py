"""Where the core-milliseconds of a frame go, part by part.

The parts run one after the other over the same frames, so that the time of this process's CPUs
belongs to one of them, whatever threads it uses.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.estimators.cpus import available_cpus
from rcnet_rt.estimators.ultralytics import UltralyticsEstimator
from rcnet_rt.estimators.yolo import raw
from rcnet_rt.estimators.yolo.exported import load_exported
from rcnet_rt.estimators.yolo.letterbox import letterbox
from rcnet_rt.estimators.yolo.raw import RawYoloPose
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.video import overlay
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.video.source import open_source
from rcnet_rt.video.thread_budget import opencv_threads
from rcnet_rt.workflows.scoring import Scoring, load_scoring
from rcnet_rt.workflows.video_stages import REFINED_AT_ONCE

__all__ = ["PARTS", "costs"]

PARTS = ("decode", "letterbox", "inference", "NMS", "refine", "draw", "encode", "write JSON")
WARM_UP = REFINED_AT_ONCE  # frames
Result = TypeVar("Result")
Estimate = Callable[[Image], Poses]


class Clock:
    """Adds up the CPU time of this process, in milliseconds, by part."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    def __call__(self, part: str, function: Callable[..., Result]) -> Callable[..., Result]:
        """Return the function, its time added to a part."""

        def clocked(*arguments: Any, **options: Any) -> Result:
            start = time.process_time()
            result = function(*arguments, **options)
            self.spent[part] += 1000 * (time.process_time() - start)
            return result

        return clocked


def costs(video: Path, model: Path, frames: int) -> list[dict[str, Any]]:
    """Return the core-milliseconds of each part, for a worker of one thread and as it was before.

    Before: ultralytics runs the model, on all CPUs.
    """
    scoring = load_scoring("auto", "auto", family="yolo-pose", device="cpu", backend="auto")
    now, before = Clock(), Clock()
    with opencv_threads(1):
        exported = load_exported(str(model), floor=scoring.floor, threads=1)
        _run(video, frames, now, scoring, exported.skeleton, _exported(exported, now))
    with opencv_threads(available_cpus()):
        theirs = UltralyticsEstimator(str(model), floor=scoring.floor)
        _run(video, frames, before, scoring, theirs.skeleton, _ultralytics(theirs, before))
    return [
        {
            "part": part,
            "before": round(before.spent[part] / frames, 2),
            "now": round(now.spent[part] / frames, 2),
        }
        for part in PARTS
    ]


def _exported(estimator: RawYoloPose, clock: Clock) -> Estimate:
    """Return `estimate` of an exported model, in parts."""
    inside, network = Clock(), estimator._network
    raw.letterbox = inside("letterbox", letterbox)  # type: ignore[attr-defined]
    network._planes = inside("input", network._planes)  # type: ignore[attr-defined]
    network.run = inside("run", network.run)  # type: ignore[method-assign]
    whole = inside("whole", estimator.estimate)

    def estimate(image_bgr: Image) -> Poses:
        inside.spent.clear()
        poses = whole(image_bgr)
        spent = inside.spent
        clock.spent["letterbox"] += spent["letterbox"] + spent["input"]
        clock.spent["inference"] += spent["run"] - spent["input"]
        clock.spent["NMS"] += spent["whole"] - spent["run"] - spent["letterbox"]
        return poses

    return estimate


def _ultralytics(estimator: UltralyticsEstimator, clock: Clock) -> Estimate:
    """Return `estimate` of ultralytics' estimator, in parts; the consensus counts as NMS."""
    inside, predictor = Clock(), estimator._model.predictor
    predictor.preprocess = inside("letterbox", predictor.preprocess)
    predictor.inference = inside("inference", predictor.inference)
    whole = inside("whole", estimator.estimate)

    def estimate(image_bgr: Image) -> Poses:
        inside.spent.clear()
        poses = whole(image_bgr)
        spent = inside.spent
        clock.spent["letterbox"] += spent["letterbox"]
        clock.spent["inference"] += spent["inference"]
        clock.spent["NMS"] += spent["whole"] - spent["letterbox"] - spent["inference"]
        return poses

    return estimate


def _run(
    video: Path, frames: int, clock: Clock, scoring: Scoring, skeleton: Skeleton, estimate: Estimate
) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        open_source(video) as source,
        VideoSink(
            Path(name) / "a.mp4",
            source.size,
            source.frame_rate or Fraction(30),
            source.time_base or Fraction(1, 90_000),
        ) as sink,
        JsonLinesWriter(
            Path(name) / "a.jsonl",
            Header(video.name, "", "", "coco17", 0.0, "yolo-pose", source.size),
        ) as writer,
    ):
        refine, draw = clock("refine", scoring.refine_batch), clock("draw", overlay.draw)
        encode, write = clock("encode", sink.write), clock("write JSON", writer.write)
        items, decode = iter(source), clock("decode", next)
        for first in range(0, WARM_UP + frames, REFINED_AT_ONCE):
            if first == WARM_UP:
                clock.spent.clear()
            count = min(REFINED_AT_ONCE, WARM_UP + frames - first)
            some = [decode(items) for _ in range(count)]
            refined = refine([estimate(frame.image_bgr) for frame in some])
            for frame, poses in zip(some, refined, strict=True):
                kept = poses.scores >= scoring.threshold
                encode(draw(frame.image_bgr, poses, kept, skeleton), frame.time)
                write(frame.index, frame.time_seconds, poses, kept)
