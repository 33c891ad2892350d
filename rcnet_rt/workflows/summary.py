"""What a run over a video did, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rcnet_rt.estimators.recheck import Recheck
from rcnet_rt.monitoring.profile import Setup
from rcnet_rt.poses.frame import Gap
from rcnet_rt.temporal.tracking import followed
from rcnet_rt.video.pipeline import Result
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.workflows.scoring import Scoring

__all__ = ["RecheckCost", "Tally", "VideoSummary"]


@dataclass(frozen=True)
class RecheckCost:
    """What rechecks took.

    Attributes:
        crops: number of crops that the estimator was run on again.
        seconds: that it took.
        changed: number of refined scores that changed by more than 0.1.
    """

    crops: int
    seconds: float
    changed: int

    @classmethod
    def of(cls, *rechecks: Recheck) -> RecheckCost | None:
        """Return the cost of all rechecks so far, of estimators side by side; None without any."""
        if not rechecks:
            return None
        columns = zip(*((each.looks, each.seconds, each.moved) for each in rechecks), strict=True)
        return cls(*map(sum, columns))


@dataclass(frozen=True, eq=False)
class VideoSummary:
    """What was done so far.

    Attributes:
        frames: number of frames that are done.
        poses: number of poses in them.
        kept: number of poses that were kept.
        rank_changes: number of poses whose rank in their frame changed.
        tracked: number of poses that belong to a track.
        outputs: files and folders to write.
        notes: sentences about the outputs, such as sound that could not be kept.
        scoring: the weights with their threshold; None before they are loaded.
        setup: what the scores come from; None before it is loaded.
        recheck: cost of the rechecks, None without.
        telemetry: times and counts of every stage.
    """

    frames: int
    poses: int
    kept: int
    rank_changes: int
    tracked: int
    outputs: tuple[Path, ...]
    notes: tuple[str, ...]
    scoring: Scoring | None
    setup: Setup | None
    recheck: RecheckCost | None
    telemetry: Telemetry

    @property
    def written(self) -> tuple[Path, ...]:
        """The outputs that are there."""
        return tuple(path for path in self.outputs if path.exists())


@dataclass
class Tally:
    """Counts as the last sink, that is, what the others have written."""

    frames: int = 0
    poses: int = 0
    kept: int = 0
    rank_changes: int = 0
    tracked: int = 0
    outputs: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scoring: Scoring | None = None
    setup: Setup | None = None
    recheck: RecheckCost | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)

    def write(self, result: Result) -> None:
        """Count one frame."""
        self.frames += 1
        self.poses += len(result.poses)
        self.kept += int(result.kept.sum())
        self.tracked += len(followed(result.poses))
        raw = result.poses.raw_scores
        if raw is not None:
            self.rank_changes += int((_ranks(raw) != _ranks(result.poses.scores)).sum())

    def gap(self, gap: Gap) -> None:
        """Telemetry counts gaps."""

    def summary(self) -> VideoSummary:
        """Return the counts so far."""
        return VideoSummary(
            **{**vars(self), "outputs": tuple(self.outputs), "notes": tuple(self.notes)}
        )


def _ranks(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return np.argsort(np.argsort(-scores, kind="stable"), kind="stable")
