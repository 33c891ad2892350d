"""A live view without a pipeline: results are written to it by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from rcnet_rt.poses.frame import Frame
from rcnet_rt.poses.poses import Poses
from rcnet_rt.serving.live_view import LiveView
from rcnet_rt.video.pipeline import Result
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.video.threshold import Threshold

ABOUT: dict[str, str | float] = {
    "source": 'a "clip".mp4',
    "estimator": "still",
    "weights": "none",
    "raw_threshold": 0.25,
}


@pytest.fixture
def result(random_poses: Poses) -> Callable[[int], Result]:
    """Return the n-th result: noise, so that its JPEG is large, and five poses."""

    def nth(index: int) -> Result:
        image = np.random.default_rng(index).integers(0, 255, (240, 320, 3)).astype(np.uint8)
        poses = random_poses.with_scores(random_poses.scores)
        kept = poses.scores >= 0.5
        return Result(Frame(index, image, Fraction(index, 10)), poses, kept, threshold=0.5)

    return nth


@pytest.fixture
def view() -> Iterator[LiveView]:
    drawing = lambda result: result.frame.image_bgr  # noqa: E731
    view = LiveView(ABOUT, Threshold(0.5), Telemetry(), drawing)
    yield view
    view.close()
