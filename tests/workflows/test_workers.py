"""Estimators side by side: how many are loaded, what is refused, and the same results as one."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt import Poses, estimators, process_video
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.errors import EstimatorError
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.video.videofile import VideoFileSource
from rcnet_rt.workflows import video, video_stages
from rcnet_rt.workflows.scoring import Scoring, load_scoring
from rcnet_rt.workflows.workers import Parallelism, Workers, load_workers
from tests.helpers.processes import in_own_process

FRAMES = 40


class Bright:
    """Finds one pose, whose place is the brightness of the image; slower for some images."""

    name, family, skeleton = "bright", "yolo-pose", COCO17

    def __init__(self, **asked: object) -> None:
        self.asked = asked
        self.seen: list[int] = []

    def estimate(self, image_bgr: Image) -> Poses:
        number = round(float(image_bgr.mean()))
        self.seen.append(number)
        threading.Event().wait(0.001 * (number % 4))
        return Poses(
            np.full((1, 17, 2), number, np.float32) + np.arange(17)[None, :, None],
            [0.9],
            boxes=[[number, number, number + 20, number + 20]],
            image_size=(64, 48),
        )


class Parallel(Bright):
    """Takes calls of as many threads as were asked for."""

    @property
    def streams(self) -> int:
        return int(str(self.asked["streams"]))


class Batched(Bright):
    """Takes several images of one size at once, at most four."""

    def __init__(self, **asked: object) -> None:
        super().__init__(**asked)
        self.batches: list[int] = []

    def estimate_batch(self, images_bgr: Sequence[Image]) -> list[Poses]:
        if len(images_bgr) > 4:
            raise EstimatorError("it was exported for four")
        self.batches.append(len(images_bgr))
        return [self.estimate(image) for image in images_bgr]


class Failing(Bright):
    """Fails at its sixth image."""

    def estimate(self, image_bgr: Image) -> Poses:
        if len(self.seen) == 5:
            raise EstimatorError("the cable")
        return super().estimate(image_bgr)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch):
    """Makes `estimators.load` give a class of this file; returns what was loaded."""

    def use(made: type[Bright]) -> list[Bright]:
        loaded: list[Bright] = []

        def load(model: str, **asked: object) -> Bright:
            loaded.append(made(**asked))
            return loaded[-1]

        monkeypatch.setattr(estimators, "load", load)
        monkeypatch.setattr(estimators, "family", lambda model: "yolo-pose")
        return loaded

    return use


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with VideoSink(Path("clip.mp4"), (64, 48), Fraction(30), Fraction(1, 30)) as sink:
        for index in range(FRAMES):
            sink.write(np.full((48, 64, 3), 4 * index + 20, np.uint8), Fraction(index, 30))
    return Path("clip.mp4")


def load(parallelism: Parallelism, **options: object) -> Workers:
    budget = parallelism.budget(**options)  # type: ignore[arg-type]
    return load_workers("any", parallelism, budget, floor=0.001, device="auto")


def test_an_estimator_that_several_threads_may_call_is_loaded_once(loaded) -> None:
    made = loaded(Parallel)
    workers = load(Parallelism(threads=4))
    assert workers.estimators == (made[0],) * 4
    assert (made[0].asked["streams"], made[0].asked["threads"]) == (4, 4)
    assert (workers.budget.workers, workers.budget.estimator) == (4, 1)


def test_others_work_alone_unless_a_number_is_given(loaded) -> None:
    made = loaded(Bright)
    alone = load(Parallelism(threads=4))
    assert alone.estimators == tuple(made)
    assert (alone.budget.workers, alone.budget.estimator) == (1, 4)
    made.clear()
    three = load(Parallelism(workers=3, threads=6))
    assert three.estimators == tuple(made[1:])
    assert len(set(map(id, three.estimators))) == 3
    assert made[1].asked["threads"] == 2


def test_a_live_source_is_worked_on_frame_by_frame(loaded) -> None:
    made = loaded(Parallel)
    workers = load(Parallelism(threads=4), live=True)
    assert workers.estimators == tuple(made)
    assert made[0].asked["threads"] == 4
    for asked in (Parallelism(workers=2), Parallelism(batch=2)):
        with pytest.raises(EstimatorError, match="frame by frame"):
            asked.budget(live=True)


def test_batches_are_refused_where_a_model_takes_none(loaded) -> None:
    loaded(Bright)
    with pytest.raises(EstimatorError, match="takes one image at a time; leave out --batch"):
        load(Parallelism(batch=2))
    loaded(Batched)
    with pytest.raises(EstimatorError, match="does not take 5 images at once"):
        load(Parallelism(batch=5))
    assert load(Parallelism(batch=4, threads=8)).budget.workers == 1


@pytest.mark.parametrize("track", [False, True])
@pytest.mark.parametrize(
    ("made", "options"),
    [(Parallel, {"threads": 4}), (Bright, {"workers": 3}), (Batched, {"batch": 4})],
)
def test_files_are_the_same_to_the_byte(
    loaded, clip: Path, made: type[Bright], options: dict[str, int], track: bool
) -> None:
    if track:
        pytest.importorskip("supervision")
    loaded(Bright)
    process_video(clip, json="one.jsonl", track=track).finish()
    used = loaded(made)
    summary = process_video(clip, json="many.jsonl", track=track, **options).finish()
    assert Path("one.jsonl").read_bytes() == Path("many.jsonl").read_bytes()
    assert summary.frames == FRAMES
    if isinstance(used[0], Batched):
        assert set(used[0].batches[1:]) == {4}


def test_images_of_several_sizes_are_batched_by_size(
    loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    for index, side in enumerate([30, 30, 30, 40, 40, 30]):
        cv2.imwrite(f"images/{index}.png", np.full((side, side, 3), index, np.uint8))
    used = loaded(Batched)
    results = process_video("images", batch=4)
    assert [result.frame.name for result in results] == [f"{index}.png" for index in range(6)]
    (estimator,) = used
    assert isinstance(estimator, Batched)
    assert estimator.batches == [4, 3]  # the first one asks whether it takes batches
    assert len(estimator.seen) == 4 + 6


@pytest.mark.parametrize("options", [{"workers": 3}, {"workers": 1}])
def test_a_frame_that_fails_leaves_those_before_it(
    loaded, clip: Path, options: dict[str, int]
) -> None:
    loaded(Failing)
    run = process_video(clip, json="a.jsonl", out="a.mp4", **options)
    with pytest.raises(EstimatorError, match="the cable"):
        run.finish()
    lines = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines[1:]] == list(range(run.summary.frames))
    assert run.summary.frames >= 5
    assert Path("a.mp4").is_file()


def test_max_frames_are_counted_over_all_workers(loaded, clip: Path) -> None:
    used = loaded(Bright)
    run = process_video(clip, max_frames=7, workers=3)
    assert [result.frame.index for result in run] == list(range(7))
    assert sum(len(estimator.seen) for estimator in used) == 7


def test_ctrl_c_with_several_workers(clip: Path) -> None:
    in_own_process(ctrl_c_with_several_workers)


def ctrl_c_with_several_workers() -> None:
    estimators.load = lambda model, **asked: Parallel(**asked)  # type: ignore[assignment]
    estimators.family = lambda model: "yolo-pose"
    run = process_video("clip.mp4", json="a.jsonl", threads=3)
    next(run)
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    lines = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines[1:]] == list(range(len(lines) - 1))
    assert threading.active_count() == 1


def test_rechecks_keep_their_results(loaded, clip: Path) -> None:
    loaded(Bright)
    one = process_video(clip, json="one.jsonl", recheck=1).finish()
    loaded(Bright)
    many = process_video(clip, json="many.jsonl", recheck=1, workers=3).finish()
    assert Path("one.jsonl").read_bytes() == Path("many.jsonl").read_bytes()
    assert one.recheck is not None
    assert many.recheck is not None
    assert one.recheck.crops == many.recheck.crops > 0


@pytest.mark.parametrize("realtime", [False, True])
def test_a_camera_has_one_worker(
    loaded, clip: Path, monkeypatch: pytest.MonkeyPatch, realtime: bool
) -> None:
    used = loaded(Parallel)
    opened = "open_live" if realtime else "open_source"
    monkeypatch.setattr(video, opened, lambda *_: VideoFileSource(clip))
    run = process_video("0", realtime=realtime, threads=4, max_frames=3)
    results = len(list(run))  # a live source drops frames that come while one is worked on
    assert 1 <= results <= 3 if realtime else results == 3
    assert [estimator.asked["streams"] for estimator in used] == [1]
    threads = run.summary.telemetry.threads
    assert threads is not None
    assert (threads.workers, threads.estimator) == (1, 4)
    with pytest.raises(EstimatorError, match="frame by frame"):
        process_video("0", realtime=realtime, workers=2).finish()


def test_files_are_refined_eight_frames_at_a_time(
    loaded, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(Bright)
    counts: list[int] = []

    class Counting(Scoring):
        def refine_batch(self, images: Sequence[Poses]) -> list[Poses]:
            counts.append(len(images))
            return super().refine_batch(images)

    def load(*arguments: Any, **options: Any) -> Counting:
        return Counting(**vars(load_scoring(*arguments, **options)))

    monkeypatch.setattr(video_stages, "load_scoring", load)
    assert process_video(clip, max_frames=10).finish().frames == 10
    assert counts == [8, 2]
    counts.clear()
    monkeypatch.setattr(video, "open_source", lambda *_: VideoFileSource(clip))
    for source, options in (("0", {}), (clip, {"serve": 0})):  # somebody waits for each frame
        assert process_video(source, max_frames=3, **options).finish().frames == 3
    assert not counts


def test_telemetry_and_the_summary_say_the_threads(loaded, clip: Path) -> None:
    loaded(Parallel)
    summary = process_video(clip, telemetry="t.json", threads=2).finish()
    threads = json.loads(Path("t.json").read_text())["threads"]
    assert threads == {
        "cpus": 2,
        "workers": 2,
        "estimator": 1,
        "decoder": 2,
        "encoder": 2,
        "opencv": 1,
    }
    assert summary.telemetry.threads is not None


def test_a_recording_is_read_frame_by_frame(clip: Path, random_poses: Poses) -> None:
    header = Header(str(clip), "recorded", "none", "coco17", 0.25, "yolo-pose", (64, 48))
    poses = replace(random_poses, image_size=(64, 48))
    with JsonLinesWriter(Path("poses.jsonl"), header) as writer:
        writer.write(0, 0.0, poses, poses.scores > 0)
    with pytest.raises(EstimatorError, match="is a recording"):
        process_video(clip, model="replay:poses.jsonl", workers=2).finish()
    run = process_video(clip, model="replay:poses.jsonl", max_frames=1)
    assert len(next(run).poses) == len(random_poses)


def test_the_real_model_in_streams_is_the_same_to_the_byte(
    shared_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    clip = shared_data / "videos" / "people.mp4"
    for count in (1, 2):
        process_video(clip, model=model, json=tmp_path / f"{count}.jsonl", workers=count).finish()
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
