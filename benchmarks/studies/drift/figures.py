"""How soon shifts are noticed, and how often alarms come without any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from benchmarks.studies.drift.recording import CAMERAS, SHIFTED, SPORTS, Recordings
from benchmarks.studies.drift.shifts import FROZEN, MAIN, NONE, SHIFTS
from rcnet_rt.monitoring import drift
from rcnet_rt.monitoring.drift import FRAMES_PER_BLOCK, DriftDetector, Reference
from rcnet_rt.monitoring.frame_statistics import NAMES, block_means

__all__ = ["alarms", "delays", "other_takes", "shuffled_segments", "simulated"]

Floats = npt.NDArray[np.float64]
Row = dict[str, Any]

MOTION = NAMES.index("motion")
FROZEN_FRAMES = 100
SEGMENT = 25  # frames
STREAM = 10_000  # frames that are simulated at a time
BY_RANKS = 10  # streams at most that are judged by the ranks alone


def alarms(detector: DriftDetector, frames: Floats) -> dict[str, list[int]]:
    """Return for each change after how many frames an alarm began, however often."""
    found: dict[str, list[int]] = {}
    before: set[str] = set()
    for index, values in enumerate(frames):
        now = {change.what for change in detector(values)}
        for what in sorted(now - before, key=_order):
            found.setdefault(what, []).append(index + 1)
        before = now
    return found


def delays(recordings: Recordings) -> Iterator[Row]:
    """Yield when each shift of the last 100 frames is noticed, held against the clip without it.

    Of the sports clip also against its first half alone, so that the content is another.
    """
    others = [shift for shift in SHIFTS if shift not in (NONE, *MAIN)]
    for shift in (*MAIN, *others):
        for clip in SHIFTED if shift in MAIN else (SPORTS,):
            plain = recordings.statistics(clip, NONE)
            shifted = _shifted(recordings, clip, shift)
            yield {"shift": shift, "clip": clip, "content": "same", **_first(plain, shifted)}
            if clip == SPORTS:
                first = plain[: len(plain) // 2]
                yield {"shift": shift, "clip": clip, "content": "later", **_first(first, shifted)}


def other_takes(recordings: Recordings) -> Iterator[Row]:
    """Yield the alarms without any shift, on other frames of the same camera."""
    for single, multi in CAMERAS:
        for reference, stream in ((single, multi), (multi, single)):
            frames = (recordings.statistics(clip, NONE) for clip in (reference, stream))
            yield {"reference": reference, "stream": stream, **_first(*frames)}
    sports = recordings.statistics(SPORTS, NONE)
    half = len(sports) // 2
    for name, reference_frames, frames in (
        ("first half", sports[:half], sports[half:]),
        ("second half", sports[half:], sports[:half]),
    ):
        yield {
            "reference": f"{SPORTS}, {name}",
            "stream": "the other",
            **_first(reference_frames, frames),
        }


def shuffled_segments(recordings: Recordings, draws: int) -> Iterator[Row]:
    """Yield alarms where segments of 25 frames are exchangeable, and frames within them alike."""
    clips = [clip for camera in CAMERAS for clip in camera]
    pools: dict[str, Sequence[str]] = {
        SPORTS: [SPORTS],
        **{f"camera {n}": camera for n, camera in enumerate(CAMERAS, start=1)},
        "all clips together": [SPORTS, *clips],
    }
    for name, pool in pools.items():
        segments = [
            segment for clip in pool for segment in _segments(recordings.statistics(clip, NONE))
        ]
        used = 2 * len(segments) // 3
        rng = np.random.default_rng(0)
        counts = []
        for _ in range(draws):
            order = rng.permutation(len(segments))
            shuffled = [segments[index] for index in order]
            detector = _detector(np.concatenate(shuffled[:used]))
            found = alarms(detector, np.concatenate(shuffled[used:]))
            counts.append(sum(map(len, found.values())))
        frames = SEGMENT * (len(segments) - used)
        yield {
            "frames": name,
            "reference": SEGMENT * used,
            "stream": frames,
            "draws": draws,
            "streams_with_alarm": float(np.mean(np.array(counts) > 0)),
            "alarms_per_million": 1e6 * float(np.mean(counts)) / frames,
        }


def simulated(streams: int) -> Iterator[Row]:
    """Yield how many streams have an alarm where nothing changes, by the ranks alone and by both.

    Gaussian statistics whose correlation falls to 1/e in some number of frames.
    """
    for reference in (600, 6000):
        for correlated in (0, 10, 100, 1000):
            values = [_autoregressive(reference + STREAM, correlated, n) for n in range(streams)]
            both = [_has_alarm(each, reference) for each in values]
            with patch.object(drift, "prediction_limit", lambda count, level: 0.0):
                ranks = [_has_alarm(each, reference) for each in values[:BY_RANKS]]
            yield {
                "correlated_frames": correlated,
                "reference": reference,
                "block": _detector(values[0][:reference]).frames_per_block,
                "streams": streams,
                "with_alarm": float(np.mean(both)),
                "with_alarm_by_ranks": float(np.mean(ranks)),
            }


def _has_alarm(values: Floats, reference: int) -> bool:
    detector = _detector(values[:reference])
    return any(detector(frame) for frame in values[reference:])


def _first(plain: Floats, stream: Floats) -> Row:
    detector = _detector(plain)
    found = {what: after[0] for what, after in alarms(detector, stream).items()}
    return {
        "reference_frames": len(plain),
        "stream_frames": len(stream),
        "first": min(found.values(), default=None),
        "alarms": found,
    }


def _detector(frames: Floats) -> DriftDetector:
    return DriftDetector(Reference(block_means(frames, FRAMES_PER_BLOCK)))


def _shifted(recordings: Recordings, clip: str, shift: str) -> Floats:
    if shift != FROZEN:
        return recordings.statistics(clip, shift)
    still = np.repeat(recordings.statistics(clip, NONE)[-1:], FROZEN_FRAMES, axis=0)
    still[1:, MOTION] = 0
    return still


def _segments(frames: Floats) -> list[Floats]:
    count = len(frames) // SEGMENT
    return np.split(frames[: count * SEGMENT], count)


def _autoregressive(count: int, correlated: int, seed: int) -> Floats:
    """(T, S) independent statistics of deviation 100, beside which the smallest change is small."""
    rng = np.random.default_rng(seed)
    keep = np.exp(-1 / correlated) if correlated else 0.0
    noise = rng.normal(size=(count, len(NAMES)))
    noise[1:] *= np.sqrt(1 - keep**2)
    for index in range(1, count):
        noise[index] += keep * noise[index - 1]
    return np.asarray(100 * noise)


def _order(what: str) -> int:
    return NAMES.index(what) if what in NAMES else len(NAMES)
