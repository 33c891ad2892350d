"""For tests of the fleet: functions as estimators, small videos, a pool without processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.datasets.parquet.files import parquet_files, read_parquet
from rcnet_rt.datasets.scored_frames import ScoredFrame
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.workflows.fleet.pool import Lost
from rcnet_rt.workflows.fleet.processes import ProcessPool
from rcnet_rt.workflows.fleet.worker import Worker

MODEL = "tests.helpers.fleet:people"
SLOW_MODEL = "tests.helpers.fleet:slow_people"
KILLED_MODEL = "tests.helpers.fleet:killed_at_black"
KILLED_ONCE_MODEL = "tests.helpers.fleet:killed_once"
SLEEP = 0.02  # seconds a frame


def people(image_bgr: Image) -> Poses:
    """Find 0 to 3 people, told by the image alone."""
    blue, green, red = image_bgr[::8, ::8].astype(np.float64).mean(axis=(0, 1))
    count = int(image_bgr[::16, ::16].sum()) % 4
    person = 20 + blue / 10 + np.arange(17)[:, None] * [4.0, 5.0]
    keypoints = np.array([person + 30 * index for index in range(count)]).reshape(count, 17, 2)
    keypoints[:, 3] = np.nan
    scores = [0.3 + 0.1 * index + green / 1000 for index in range(count)]
    confidence = np.full((count, 17), 0.5 + red / 1000)
    return Poses(keypoints, np.array(scores), keypoint_scores=confidence)


def slow_people(image_bgr: Image) -> Poses:
    """The same, in the time of a real estimator."""
    time.sleep(SLEEP)
    return people(image_bgr)


def killed_at_black(image_bgr: Image) -> Poses:
    """The same, in a process that a black image kills."""
    if image_bgr.max() < 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return people(image_bgr)


def killed_once(image_bgr: Image) -> Poses:
    """The same, in a process that is killed at the tenth image, if it is the first process."""
    marker = Path(os.environ["RCNET_RT_TEST_MARKER"])
    with marker.open("ab") as file:
        file.write(b".")
    if marker.stat().st_size == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    return people(image_bgr)


def write_video(
    path: Path,
    frames: int,
    *,
    seed: int = 0,
    brightness: float = 1.0,
    gop: int = 10,
    codec: str = "libx264",
    **options: str,
) -> Path:
    """Write moving noise of 160 x 120, 30 frames a second, with the index of an MP4 first."""
    import av

    noise = np.random.default_rng(seed).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    noise = (noise * brightness).astype(np.uint8)
    movable = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=movable) as container:
        stream: Any = container.add_stream(codec, rate=30, options={"g": str(gop), **options})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(frames):
            image = np.roll(noise, 3 * index, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def read_folder(out: Path) -> dict[tuple[str, int], ScoredFrame]:
    """Return all frames by source and number; none may be there twice."""
    frames: dict[tuple[str, int], ScoredFrame] = {}
    for poses, beside in parquet_files(out):
        assert beside is not None
        for frame in read_parquet(poses, beside):
            assert (frame.source, frame.index) not in frames
            frames[frame.source, frame.index] = frame
    return frames


def assert_same_frames(
    some: dict[tuple[str, int], ScoredFrame], others: dict[tuple[str, int], ScoredFrame]
) -> None:
    """Check that two folders have the same rows, to the bit."""
    assert some.keys() == others.keys()
    for key, frame in some.items():
        assert_same_frame(frame, others[key])


def assert_same_frame(frame: ScoredFrame, other: ScoredFrame) -> None:
    """Check that two frames are the same, to the bit."""
    assert (frame.source, frame.index, frame.time) == (other.source, other.index, other.time)
    assert frame.poses.image_size == other.poses.image_size
    np.testing.assert_array_equal(frame.kept, other.kept)
    for name, value in vars(frame.poses).items():
        if len(frame.poses) and name != "image_size":
            assert_same_array(value, getattr(other.poses, name), name)


def assert_same_array(value: Any, other: Any, name: str) -> None:
    """Check that two arrays are the same, or both None."""
    assert (value is None) == (other is None), name
    if value is not None:
        np.testing.assert_array_equal(value, other, err_msg=name)


class InlinePool(ProcessPool):
    """Workers in this process, one after the other; `die_at` counts the items that kill one."""

    die_at: set[int] = set()  # noqa: RUF012  # tests set it for all pools
    started: list[int] = []  # noqa: RUF012
    items: list[Any] = []  # noqa: RUF012

    def start(self, slot: int) -> Any:
        self.started.append(slot)
        return [Worker(self._setup), None]

    def send(self, worker: Any, item: Any) -> None:
        worker[1] = item

    def wait(self, workers: list[Any], seconds: float) -> list[tuple[Any, Any]]:
        worker = workers[0]
        self.items.append(worker[1])
        if len(self.items) in self.die_at:
            return [(worker, Lost("its worker died (SIGKILL)"))]
        return [(worker, worker[0](worker[1]))]

    def stop(self, worker: Any) -> None:
        worker[0] = None
