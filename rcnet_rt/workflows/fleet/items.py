"""Work items, and the names of the parts that they become.

    <stem>-<source>-<content>-<index>-of-<count>.parquet

`source` stands for the address, `content` for size and time of change and for the job: weights,
estimator, options. So a name says what a part holds, and what is missing is what has no part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from rcnet_rt.video.segments import Span
from rcnet_rt.workflows.fleet.sources import Media

__all__ = [
    "IMAGES",
    "Done",
    "Failure",
    "ImageBatch",
    "Item",
    "Job",
    "PartName",
    "Plan",
    "Planned",
    "Segment",
]

MAX_STEM = 40  # characters
IMAGES = "images"  # stem of the parts of images
NAME = re.compile(
    r"(?P<stem>.*)-(?P<source>[0-9a-f]{12})-(?P<content>[0-9a-f]{8})"
    r"-(?P<index>\d{5,})-of-(?P<count>\d{5,})"
)


@dataclass(frozen=True)
class Job:
    """What is done to each frame; an output folder belongs to one job.

    Attributes:
        model: the estimator, as for `estimators.load`.
        weights: name or path of the weights.
        weights_sha256: of their file; None for a baseline.
        threshold: as for `process_video`.
        recheck: rechecks of each image.
        track: whether people are tracked.
        segment: seconds of a part; 0 leaves videos whole.
        imgsz: as for `estimators.load`.
        half: as for `estimators.load`.
    """

    model: str
    weights: str
    weights_sha256: str | None
    threshold: str | float
    recheck: int
    track: bool
    segment: float
    imgsz: int | tuple[int, int] | None
    half: bool

    @property
    def record(self) -> dict[str, Any]:
        """The job as JSON has it, with the absolute path of a model file."""
        path = Path(self.model)
        model = str(path.resolve()) if path.exists() else self.model
        size = list(self.imgsz) if isinstance(self.imgsz, tuple) else self.imgsz
        return asdict(self) | {"model": model, "imgsz": size}


@dataclass(frozen=True)
class PartName:
    """What a part holds: see above; `text` is its name without suffix."""

    stem: str
    source: str
    content: str
    index: int = 0
    count: int = 1

    @property
    def text(self) -> str:
        """The name.

        >>> PartName("clip", "0" * 12, "1" * 8, 2, 7).text
        'clip-000000000000-11111111-00002-of-00007'
        """
        return f"{self.stem}-{self.source}-{self.content}-{self.index:05}-of-{self.count:05}"

    @classmethod
    def parse(cls, text: str) -> PartName | None:
        """Return what a name says, or None where it is the name of something else.

        >>> name = PartName("clip", "0" * 12, "1" * 8, 2, 7)
        >>> PartName.parse(name.text) == name
        True
        """
        found = NAME.fullmatch(text)
        if found is None:
            return None
        stem, source, content = found["stem"], found["source"], found["content"]
        return cls(stem, source, content, int(found["index"]), int(found["count"]))

    @classmethod
    def of_video(cls, video: Media, job: Mapping[str, Any]) -> PartName:
        """Return the name of the first part of a video that has one part."""
        return cls(_stem(video.name), video.key, _digest([video.stamp, dict(job)], 8))

    @classmethod
    def of_images(cls, images: Sequence[Media], job: Mapping[str, Any]) -> PartName:
        """Return the name of the part of some images."""
        keys = _digest([image.key for image in images], 12)
        return cls(IMAGES, keys, _digest([[i.stamp for i in images], dict(job)], 8))


def _digest(value: Any, length: int) -> str:
    text = json.dumps(value, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:length]


def _stem(name: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", PurePosixPath(name.replace("\\", "/")).stem)
    return stem[:MAX_STEM] or "video"


@dataclass(frozen=True)
class Plan:
    """Find the segments of a video."""

    video: Media
    first: PartName


@dataclass(frozen=True)
class Segment:
    """Predict part of a video."""

    video: Media
    part: PartName
    span: Span


@dataclass(frozen=True)
class ImageBatch:
    """Predict some images."""

    images: tuple[Media, ...]
    part: PartName


Item = Plan | Segment | ImageBatch


@dataclass(frozen=True)
class Failure:
    """What could not be done.

    Attributes:
        source: name of the video or image.
        reason: a sentence.
        first_frame: of the segment.
        frames: how many were done before, and are in the part.
    """

    source: str
    reason: str
    first_frame: int = 0
    frames: int = 0


@dataclass(frozen=True)
class Planned:
    """The answer to a `Plan`."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Done:
    """The answer to an item whose part is published, or that failed.

    Attributes:
        frames: how many are in the part.
        poses: how many are in the part.
        failures: what could not be done.
    """

    frames: int = 0
    poses: int = 0
    failures: tuple[Failure, ...] = ()
