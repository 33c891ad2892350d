"""Cases of videos."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from rcnet_rt.poses.frame import Frame
from rcnet_rt.video.decoding import as_fraction
from rcnet_rt.video.source import open_source
from tests.cases.commands import Case, Places, program

__all__ = ["CASES"]

COLOURS = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0), "white": (255,) * 3}
ESTIMATOR = """
import numpy as np
from rcnet_rt import Poses
def model(image):
    return Poses(np.full((1, 17, 2), 20.0), [0.9])
"""


def corners(name: str, expected: str) -> Case:
    """Return the case of a clip that is turned or mirrored."""

    def outcome(places: Places) -> str:
        with open_source(str(places.cases / "video" / name)) as source:
            image = next(item.image_bgr for item in source if isinstance(item, Frame))
        height, width = image.shape[:2]
        found = [image[y, x].astype(int) for y in (4, height - 5) for x in (4, width - 5)]
        seen = " ".join(
            min(COLOURS, key=lambda colour: np.abs(pixel - COLOURS[colour]).sum())
            for pixel in found
        )
        return f"corners {seen}; right is {expected}"

    return Case("A7", f"video/{name}", outcome)


def run(number: str, name: str) -> Case:
    """Return the case of a clip that is drawn."""

    def outcome(places: Places) -> str:
        return drawn(places, places.cases / "video" / name)

    return Case(number, f"video/{name}, run", outcome)


def drawn(places: Places, source: Path) -> str:
    (places.scratch / "made.py").write_text(ESTIMATOR)
    options = ("--model", "made:model", "--weights", "none", "--out", "out.mp4")
    said = program(places, source, *options, "--telemetry", "t.json", say="Note")
    with av.open(str(places.scratch / "out.mp4")) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        ratio = as_fraction(stream.codec_context.sample_aspect_ratio) or Fraction(1)
    counts = json.loads((places.scratch / "t.json").read_text())["frames"]
    return f"{said}; {frames} frames, sample aspect {ratio}, telemetry {counts}"


CASES = (
    corners("q_plain.mp4", "red green blue white"),
    corners("q_hflip.mp4", "green red white blue"),
    corners("q_rot90cw.mp4", "blue red white green"),
    run("A8", "sar.mp4"),
    run("B1", "mp3.avi"),
    run("B1", "mp3d.avi"),
    run("B2", "cat.ts"),
)
