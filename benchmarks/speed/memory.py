"""Peak memory of a long video: `python -m benchmarks.speed.memory [--frames N] [--json FILE]`.

Random frames with random poses go through the whole pipeline: refined by shipped weights, drawn,
encoded, written as JSON Lines. What matters is that the peak no longer grows after the warm-up.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

from benchmarks.common import Results, json_option, report
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.poses.frame import Frame, Image, Kind
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.refiner import Refiner
from rcnet_rt.video import overlay, pipeline
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.workflows.outputs import JsonLinesSink, open_drawn

__all__ = ["main", "measure"]

FRAMES = 10_000
READINGS = 10  # of the peak
SIZE = (640, 360)
MAX_POSES = 20  # of a frame
WEIGHTS = "yolo-pose"


class RandomFrames:
    """A source of frames of noise."""

    name, size = "random", SIZE
    frame_rate, time_base = Fraction(30), Fraction(1, 90_000)
    sample_aspect_ratio = Fraction(1)

    def __init__(self, frames: int) -> None:
        self.kind: Kind = "video"
        self.frame_count = frames

    def __iter__(self) -> Iterator[Frame]:
        random = np.random.default_rng(0)
        for index in range(self.frame_count):
            # A new array for each, as a decoder gives; coarse noise, which encodes like a scene.
            coarse = random.integers(0, 256, (SIZE[1] // 40, SIZE[0] // 40, 3), np.uint8)
            yield Frame(index, coarse.repeat(40, axis=0).repeat(40, axis=1), Fraction(index, 30))

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> RandomFrames:
        return self

    def __exit__(self, *error: object) -> None: ...


class RandomEstimator:
    """An estimator that gives 0 to 20 random poses."""

    name, family, skeleton = "random", WEIGHTS, COCO17

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)

    def estimate(self, image_bgr: Image) -> Poses:
        """Return poses that have nothing to do with the image."""
        count = int(self._random.integers(0, MAX_POSES + 1))
        corners = self._random.uniform(0, 200, (count, 1, 2))
        keypoints = corners + self._random.uniform(0, 150, (count, 17, 2))
        return Poses(
            keypoints.astype(np.float32),
            self._random.uniform(0.05, 1, count).astype(np.float32),
            keypoint_scores=self._random.random((count, 17), dtype=np.float32),
            boxes=np.hstack([keypoints.min(1), keypoints.max(1)]).astype(np.float32),
            image_size=SIZE,
        )


def measure(frames: int = FRAMES) -> Results:
    """Process the frames; read the peak after every tenth of them.

    Raises:
        ImportError: this system does not tell a process its peak memory (Windows).
    """
    peaks: list[Results] = []
    refiner, telemetry, source = Refiner(WEIGHTS), Telemetry(), RandomFrames(frames)

    def drawing(result: pipeline.Result) -> Image:
        return overlay.draw(result.frame.image_bgr, result.poses, result.kept, COCO17)

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        header = Header("random", "random", WEIGHTS, "coco17", 0.5)
        writer = stack.enter_context(JsonLinesWriter(Path(folder) / "poses.jsonl", header))
        video = open_drawn(Path(folder) / "drawn.mp4", source, stack, wide=1)
        stages = [
            pipeline.estimate([RandomEstimator()]),
            pipeline.refine(refiner, 0.5),
            pipeline.draw(drawing),
            pipeline.write([JsonLinesSink(writer, None), video]),
        ]
        with closing(pipeline.process(source, stages, telemetry)) as results:
            for done, _ in enumerate(results, 1):
                if done % max(frames // READINGS, 1) == 0:
                    peaks.append({"frames": done, "peak_mb": peak_mb()})
    warm, last = peaks[0], peaks[-1]
    return {
        "frames": frames,
        "frame_size": f"{SIZE[0]} x {SIZE[1]}",
        "peak_mb": last["peak_mb"],
        "growth_mb": last["peak_mb"] - warm["peak_mb"],
        "growth_after_frames": warm["frames"],
        "all": peaks,
    }


def peak_mb() -> float:
    """Return the most memory that this process has had resident, in MB."""
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


@click.command()
@click.option("--frames", default=FRAMES, show_default=True, help="Length of the video.")
@json_option
def main(frames: int, json_file: Path | None) -> None:
    """Measure the peak memory of a long video."""
    report("peak memory of a long video", measure(frames), json_file)


if __name__ == "__main__":
    main()
