"""Drift alarm: what has changed about a camera, by a sequential test against a reference.

Statistics of frames are averaged over blocks of a few frames. After each block the newest ones of
every statistic are held against the blocks of the reference, and an alarm needs two exact tests to
agree (`significance`), each at the level of the bound divided by all statistics and directions:

- ranks: the newest k blocks lie above, or below, nearly all of the reference. Valid if blocks are
  exchangeable, whatever their distribution.
- Student's t: the newest block is too many standard deviations away from 20 blocks spread evenly
  over the reference. Valid if blocks that far apart are independent draws of a normal distribution,
  however alike the blocks of a moment are.

So if either holds, the expected number of false alarms in T frames is at most T / 1,000,000, and so
is the probability of any. Neither independence of the statistics nor of the tests is needed, since
expectations add up. A change must also be large enough to matter, which only makes alarms rarer.
An image that does not change at all is no matter of statistics.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import DatasetError
from rcnet_rt.monitoring.frame_statistics import NAMES, STATISTICS, Statistic, block_means
from rcnet_rt.monitoring.significance import max_deficit, pairs_not_above, prediction_limit

__all__ = [
    "FRAMES_PER_BLOCK",
    "FRAMES_PER_FALSE_ALARM",
    "Change",
    "DriftDetector",
    "Reference",
]

FRAMES_PER_BLOCK = 5
FRAMES_PER_FALSE_ALARM = 1_000_000  # at least
FAST, SLOW = 50, 100  # frames within which an alarm should come, and must
SPREAD = 20  # blocks of the reference that Student's t takes for independent
RECOVERED = 0.5  # of its limit, within which an alarm is over
FROZEN = 30  # identical frames at least that are a frozen image
MOTION = NAMES.index("motion")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """Something that is not as it was in the reference.

    Attributes:
        what: name of the statistic, or "frozen".
        text: what changed, in words.
        before: mean of the reference; None for "frozen".
        now: median of the newest blocks; for "frozen" the number of identical frames.
    """

    what: str
    text: str
    before: float | None
    now: float


@dataclass(frozen=True, eq=False)
class Reference:
    """What a camera usually looks like.

    Attributes:
        blocks: (B, S) means of statistics over consecutive blocks of frames.
        frames_per_block: how many frames those are.
        names: S names of the statistics; those that are not known here are passed over.
    """

    blocks: Floats
    frames_per_block: int = FRAMES_PER_BLOCK
    names: Sequence[str] = NAMES

    def columns(self) -> Floats:
        """Return the (B, len(NAMES)) blocks in the order of `NAMES`; NaN for those not there."""
        columns = {name: self.blocks[:, index] for index, name in enumerate(self.names)}
        missing = np.full(len(self.blocks), np.nan)
        return np.stack([columns.get(name, missing) for name in NAMES], axis=1)


class DriftDetector:
    """Takes the statistics of one frame after the other and says what has changed.

    Args:
        reference: what is usual.
        frames_per_false_alarm: the bound, see above.

    Attributes:
        frames_per_block: how many frames are averaged: as many as the reference allows for an alarm
            within 50 frames.

    Raises:
        DatasetError: the reference is too short to tell a change from chance.
    """

    def __init__(
        self, reference: Reference, frames_per_false_alarm: float = FRAMES_PER_FALSE_ALARM
    ) -> None:
        blocks, merged = _merged(reference, frames_per_false_alarm)
        self.frames_per_block = reference.frames_per_block * merged
        level = _level(self.frames_per_block, frames_per_false_alarm)
        longest = SLOW // self.frames_per_block
        self._watches = {
            index: _Watch.of(STATISTICS[index], values, window, level)
            for index, values in enumerate(map(_defined, blocks.T))
            if (window := _shortest(len(values), longest, level)) is not None
        }
        self._frozen_after = _frozen_after(reference)
        self._block: list[Floats] = []
        self._identical = 0  # frames so far
        self._active: dict[str, Change] = {}

    def __call__(self, values: Floats) -> tuple[Change, ...]:
        """Take the (S,) statistics of a frame; return what is changed as far as is known now."""
        self._check_frozen(values[MOTION])
        self._block.append(values)
        if len(self._block) == self.frames_per_block:
            means = block_means(self._block, self.frames_per_block)[0]
            self._block.clear()
            for index, watch in self._watches.items():
                watch.update(means[index], self._active)
        return tuple(self._active.values())

    def gap(self) -> None:
        """Take note that frames are missing here: an unfinished block is not finished."""
        self._block.clear()
        self._identical = 0

    def _check_frozen(self, motion: float) -> None:
        self._identical = self._identical + 1 if motion == 0 else 0
        if self._identical == self._frozen_after:
            text = f"frozen image: {self._frozen_after} frames without any difference"
            self._active["frozen"] = Change("frozen", text, None, self._frozen_after)
        elif not self._identical:
            self._active.pop("frozen", None)


@dataclass(frozen=True, eq=False)
class _Watch:
    """The newest blocks of one statistic, held against the reference."""

    statistic: Statistic
    reference: Floats  # (B,) sorted
    max_deficit: int  # of the ranks, see `significance`
    mean: float  # of the blocks that are far apart
    limit: float  # of the distance from it, by Student's t
    recent: deque[float]  # a window

    @classmethod
    def of(cls, statistic: Statistic, values: Floats, window: int, level: float) -> _Watch:
        """Return the watch of a statistic from its (B,) blocks in the order of time."""
        deficit = max_deficit(len(values), window, level)
        assert deficit is not None
        apart = values[:: max(1, len(values) // SPREAD)][:SPREAD]
        limit = prediction_limit(len(apart), level) * float(apart.std(ddof=1))
        recent = deque[float](maxlen=window)
        return cls(statistic, np.sort(values), deficit, float(apart.mean()), limit, recent)

    def update(self, mean: float, active: dict[str, Change]) -> None:
        """Take the mean of a block, NaN for none; begin or end the alarm."""
        if math.isnan(mean):
            return
        self.recent.append(mean)
        window = np.array(self.recent)
        name = self.statistic.name
        if name in active:
            if abs(float(np.median(window)) - self.mean) <= RECOVERED * self.limit:
                del active[name]
        elif (
            len(window) == self.recent.maxlen
            and abs(mean - self.mean) > self.limit
            and self._matters(mean)
            and self._is_apart(window, math.copysign(1, mean - self.mean))
        ):
            active[name] = self._change(float(np.median(window)))

    def _is_apart(self, window: Floats, side: float) -> bool:
        """Return whether a window is above the reference, for side = 1, or below it, for -1."""
        reference = self.reference if side > 0 else -self.reference[::-1]
        return pairs_not_above(reference, side * window) <= self.max_deficit

    def _matters(self, now: float) -> bool:
        statistic = self.statistic
        smallest = max(statistic.min_change, statistic.min_share * abs(self.mean))
        return abs(now - self.mean) >= smallest

    def _change(self, now: float) -> Change:
        statistic, before = self.statistic, self.mean
        meaning = statistic.lower if now < before else statistic.higher
        numbers = f"{before:.{statistic.digits}f} -> {now:.{statistic.digits}f}"
        return Change(statistic.name, f"{meaning}: {statistic.label} {numbers}", before, now)


def _level(frames_per_block: int, frames_per_false_alarm: float) -> float:
    """Return the level of one of all tests that are done after a block: two for each statistic."""
    return frames_per_block / frames_per_false_alarm / (2 * len(STATISTICS))


def _shortest(reference: int, longest: int, level: float) -> int | None:
    """Return the number of blocks of the shortest window whose ranks can give an alarm."""
    sizes = range(1, longest + 1)
    return next((k for k in sizes if level * math.comb(reference + k, k) >= 1), None)


def _defined(values: Floats) -> Floats:
    defined: Floats = values[np.isfinite(values)]
    return defined


def _merged(reference: Reference, frames_per_false_alarm: float) -> tuple[Floats, int]:
    """Return the reference in the longest blocks that allow an alarm within `FAST` frames.

    And of how many of its blocks they are made: one where no length does.

    Raises:
        DatasetError: the reference is too short.
    """
    blocks, frames = reference.columns(), reference.frames_per_block
    fitting = []
    for merged in range(1, max(1, FAST // frames) + 1):
        long = merged * frames
        level = _level(long, frames_per_false_alarm)
        window = _shortest(len(blocks) // merged, SLOW // long, level)
        # The block in which a change happens is half a block of each.
        if window is not None and (merged == 1 or (window + 1) * long <= FAST):
            fitting.append(merged)
    if not fitting:
        raise DatasetError(
            f"no drift alarm is possible: {len(blocks) * frames} frames of reference are too few "
            f"to tell a change from chance within {SLOW} frames; give a longer one, better some "
            "minutes"
        )
    return block_means(blocks, fitting[-1]), fitting[-1]


def _frozen_after(reference: Reference) -> int:
    """Return how many identical frames are a frozen image: twice as many as in the reference."""
    longest = run = 0
    for motion in reference.columns()[:, MOTION]:
        run = run + 1 if motion == 0 else 0
        longest = max(longest, run)
    return max(FROZEN, 2 * (longest + 1) * reference.frames_per_block if longest else 0)
