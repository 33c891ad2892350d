"""Drift alarm: what has changed about a camera, by a sequential test against a reference.

Statistics of frames are averaged over blocks of frames, since adjacent frames are alike. After each
block the newest blocks of every statistic are ranked among those of the reference: the exact rank
test of `window_test`, in two windows, for gross and for smaller changes. The level of one test is
the bound on false alarms divided by all tests of a block:

    if the reference blocks and those of a window are exchangeable, the expected number of false
    alarms in T frames is at most T / 1,000,000, and so is the probability of any.

Neither independence of the statistics nor of windows is needed. Blocks of one continuous scene are
not exchangeable, though: they are alike. So blocks are as long as the reference allows, and an
alarm must also lie well outside the range of the reference and be large enough to matter, which
can only make alarms rarer. An image that does not change at all is no matter of statistics.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import DatasetError
from rcnet_rt.monitoring.frame_statistics import NAMES, STATISTICS, Statistic, block_means
from rcnet_rt.monitoring.window_test import max_deficit, pairs_not_above

__all__ = [
    "FRAMES_PER_BLOCK",
    "FRAMES_PER_FALSE_ALARM",
    "Change",
    "DriftDetector",
    "Reference",
    "setup_changes",
]

FRAMES_PER_BLOCK = 5
FRAMES_PER_FALSE_ALARM = 1_000_000  # under exchangeability
FAST, SLOW = 50, 100  # frames within which an alarm should come, and the longest window
DIRECTIONS = WINDOWS = 2
RANGE = 0.05, 0.95  # quantiles of the reference that are its range
MARGIN = 0.5  # of the width of the range, beyond it, from where an alarm may begin
RECOVERED = 0.25  # the same, below which it ends
FROZEN = 30  # identical frames at least that are a frozen image
MOTION = NAMES.index("motion")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """Something that is not as it was in the reference.

    Attributes:
        what: name of the statistic, "frozen", or a key of the setup such as "estimator".
        text: what changed, in words.
        before: value in the reference; None where there is none.
        now: value of the newest blocks.
    """

    what: str
    text: str
    before: float | str | None
    now: float | str


@dataclass(frozen=True, eq=False)
class Reference:
    """What a camera usually looks like.

    Attributes:
        blocks: (B, S) means of statistics over consecutive blocks of frames.
        frames_per_block: how many frames those are.
        names: S names of the statistics; those that are not known here are passed over.
        setup: what poses came from, such as {"estimator": …, "weights": …, "skeleton": …}.
    """

    blocks: Floats
    frames_per_block: int = FRAMES_PER_BLOCK
    names: Sequence[str] = NAMES
    setup: Mapping[str, str] = field(default_factory=dict)

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
        frames_per_block: how many frames are averaged.

    Raises:
        DatasetError: the reference is too short to tell a change from chance.
    """

    def __init__(
        self, reference: Reference, frames_per_false_alarm: float = FRAMES_PER_FALSE_ALARM
    ) -> None:
        blocks, merged = _merged(reference, frames_per_false_alarm)
        self.frames_per_block = reference.frames_per_block * merged
        self._watches = [
            watch
            for index, statistic in enumerate(STATISTICS)
            if (
                watch := _Watch.of(
                    index, blocks, statistic, self.frames_per_block, frames_per_false_alarm
                )
            )
        ]
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
            for watch in self._watches:
                watch.update(means[watch.index], self._active)
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

    index: int
    statistic: Statistic
    reference: Floats  # (B,) sorted
    windows: Sequence[tuple[int, int]]  # blocks, the shortest window first, and their max_deficit
    recent: deque[float]

    @classmethod
    def of(
        cls,
        index: int,
        blocks: Floats,
        statistic: Statistic,
        frames_per_block: int,
        frames_per_false_alarm: float,
    ) -> _Watch | None:
        """Return the watch of a column; None where its reference cannot carry an alarm."""
        reference = np.sort(blocks[np.isfinite(blocks[:, index]), index])
        level = _level(frames_per_block, frames_per_false_alarm)
        longest = SLOW // frames_per_block
        short = _shortest(len(reference), longest, level)
        if short is None:
            return None
        sizes = sorted({short, longest})
        deficits = [max_deficit(len(reference), size, level) for size in sizes]
        windows = [(k, d) for k, d in zip(sizes, deficits, strict=True) if d is not None]
        return cls(index, statistic, reference, windows, deque(maxlen=longest))

    def update(self, mean: float, active: dict[str, Change]) -> None:
        """Take the mean of a block, NaN for none; begin or end the alarm."""
        if math.isnan(mean):
            return
        self.recent.append(mean)
        name = self.statistic.name
        if name in active:
            short = self._newest(self.windows[0][0])
            if not self._is_outside(float(np.median(short)), RECOVERED):
                del active[name]
            return
        for size, deficit in self.windows:
            window = self._newest(size)
            if len(window) == size and self._is_improbable(window, deficit):
                now = float(np.median(window))
                if self._is_outside(now, MARGIN) and self._matters(now):
                    active[name] = self._change(now)
                    return

    def _newest(self, size: int) -> Floats:
        return np.array(list(self.recent)[-size:])

    def _is_improbable(self, window: Floats, deficit: int) -> bool:
        above = pairs_not_above(self.reference, window)
        below = pairs_not_above(-self.reference[::-1], -window)
        return min(above, below) <= deficit

    def _is_outside(self, value: float, margin: float) -> bool:
        low, high = self._range
        width = margin * (high - low)
        return value < low - width or value > high + width

    def _matters(self, now: float) -> bool:
        before, statistic = self._before, self.statistic
        return abs(now - before) >= max(statistic.min_change, statistic.min_share * abs(before))

    @cached_property
    def _range(self) -> tuple[float, float]:
        low, high = np.quantile(self.reference, RANGE)
        return float(low), float(high)

    @cached_property
    def _before(self) -> float:
        return float(np.median(self.reference))

    def _change(self, now: float) -> Change:
        statistic, before = self.statistic, self._before
        meaning = statistic.lower if now < before else statistic.higher
        numbers = f"{before:.{statistic.digits}f} -> {now:.{statistic.digits}f}"
        return Change(statistic.name, f"{meaning}: {statistic.label} {numbers}", before, now)


def setup_changes(reference: Mapping[str, str], now: Mapping[str, str]) -> tuple[Change, ...]:
    """Return in what the setup of a run differs from that of the reference.

    >>> [change.text for change in setup_changes({"estimator": "a"}, {"estimator": "b"})]
    ['another estimator: a -> b']
    """
    return tuple(
        Change(key, f"another {key}: {before} -> {now[key]}", before, now[key])
        for key, before in reference.items()
        if key in now and now[key] != before
    )


def _level(frames_per_block: int, frames_per_false_alarm: float) -> float:
    """Return the level of one of all tests that are done after a block."""
    return frames_per_block / frames_per_false_alarm / (DIRECTIONS * WINDOWS * len(STATISTICS))


def _shortest(reference: int, longest: int, level: float) -> int | None:
    """Return the number of blocks of the shortest window that can give an alarm."""
    sizes = range(1, longest + 1)
    return next((k for k in sizes if level * math.comb(reference + k, k) >= 1), None)


def _merged(reference: Reference, frames_per_false_alarm: float) -> tuple[Floats, int]:
    """Return the reference in the longest blocks whose shortest window is `FAST`; how many are one.

    Raises:
        DatasetError: the reference is too short.
    """
    blocks, frames = reference.columns(), reference.frames_per_block
    fast: int | None = None
    for merged in range(1, max(1, FAST // frames) + 1):
        long = merged * frames
        level = _level(long, frames_per_false_alarm)
        short = _shortest(len(blocks) // merged, SLOW // long, level)
        # The block in which a change happens is half a block of each.
        if short is not None and (fast is None or (short + 1) * long <= FAST):
            fast = merged
    if fast is None:
        raise DatasetError(
            f"drift alarm: {len(blocks) * frames} frames of reference are too few to tell a change "
            "from chance within 100 frames; give a longer one, better some minutes"
        )
    return block_means(blocks, fast), fast


def _frozen_after(reference: Reference) -> int:
    """Return how many identical frames are a frozen image: twice as many as in the reference."""
    longest = run = 0
    for motion in reference.columns()[:, MOTION]:
        run = run + 1 if motion == 0 else 0
        longest = max(longest, run)
    return max(FROZEN, 2 * (longest + 1) * reference.frames_per_block if longest else 0)
