"""Figures of each way of keeping poses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.common import Results
from benchmarks.studies.flicker.recording import Recording
from benchmarks.studies.flicker.ways import (
    OTHERS,
    WAYS,
    Decisions,
    decide,
    plain,
)

__all__ = ["compare", "is_causal", "other_constants", "raw_threshold"]


def compare(recording: Recording, threshold: float) -> list[Results]:
    """Return a record for each way at one threshold of the refined score.

    The raw score has the threshold at which it keeps as many poses as the refined one.
    """
    decisions: dict[str, Decisions] = {
        "raw": plain(recording, raw_threshold(recording, threshold), raw=True),
        "refined": plain(recording, threshold),
        **{name: decide(way, recording, threshold) for name, way in WAYS.items()},
    }
    lines = {name: recording.lines(decision.kept) for name, decision in decisions.items()}
    known = [{who for who, line in each.items() if line.any()} for each in lines.values()]
    there = recording.lines([np.ones(len(poses), bool) for poses in recording.poses])
    frame = float(np.median(np.diff(recording.times)))
    life = sum(len(lines["raw"][who]) for who in set.union(*known)) * frame
    return [
        {
            "video": recording.name,
            "threshold": round(threshold, 3),
            "way": name,
            "changes": (changes := _changes(lines[name])),
            "a person-second": round(changes / life, 3) if life else None,
            "drops": _drops(lines[name]),
            "drops of poses": _drops(lines[name], there),
            "kept a frame": round(float(np.mean([kept.sum() for kept in decision.kept])), 3),
            "delay ms": _delay(lines[name], set.intersection(*known), 1000 * frame),
            "people": len(set.union(*known)),
            "score step": _step(recording, decision),
        }
        for name, decision in decisions.items()
    ]


def other_constants(recording: Recording, threshold: float) -> list[Results]:
    """Return drops and people kept with other constants than those of the package."""
    rows = []
    for name, way in OTHERS.items():
        kept = decide(way, recording, threshold).kept
        rows.append(
            {
                "video": recording.name,
                "threshold": round(threshold, 3),
                "constants": name,
                "changes": _changes(lines := recording.lines(kept)),
                "drops": _drops(lines),
                "kept a frame": round(float(np.mean([who.sum() for who in kept])), 3),
            }
        )
    return rows


def is_causal(recording: Recording, threshold: float) -> bool:
    """Return whether no decision of any way depends on a later frame."""
    counts = range(1, len(recording.times), max(1, len(recording.times) // 10))
    return all(
        np.array_equal(part.kept[-1], whole.kept[count - 1])
        and np.array_equal(part.poses[-1].scores, whole.poses[count - 1].scores)
        for way in WAYS.values()
        for whole in [decide(way, recording, threshold)]
        for count in counts
        for part in [decide(way, recording.first(count), threshold)]
    )


def raw_threshold(recording: Recording, threshold: float) -> float:
    """Return the raw threshold that keeps as many poses as `threshold` does by refined score."""
    refined = np.concatenate([poses.scores for poses in recording.poses])
    raw = np.concatenate([poses.raw_scores for poses in recording.poses])  # type: ignore[arg-type]
    kept = int((refined >= threshold).sum())
    return float(np.sort(raw)[::-1][kept - 1]) if kept else float("inf")


def _changes(lines: Mapping[int, np.ndarray]) -> int:
    """Number of changes between kept and dropped, over all people while they are in sight."""
    return int(sum((line[1:] != line[:-1]).sum() for line in lines.values()))


def _drops(lines: Mapping[int, np.ndarray], there: Mapping[int, np.ndarray] | None = None) -> int:
    """Number of times that a kept person is not kept in the next frame.

    With `there` only where the estimator found a pose of the person in that frame.
    """
    return int(
        sum(
            (line[:-1] & ~line[1:] & (True if there is None else there[who][1:])).sum()
            for who, line in lines.items()
        )
    )


def _delay(lines: Mapping[int, np.ndarray], people: set[int], frame: float) -> float | None:
    """Mean ms from the first sight until kept, of people whom every way keeps at some time."""
    waits = [int(lines[who].argmax()) * frame for who in people]
    return round(float(np.mean(waits)), 1) if waits else None


def _step(recording: Recording, decision: Decisions) -> float:
    """Mean change of a person's score from one frame to the next."""
    steps: list[float] = []
    before: dict[int, float] = {}
    for ids, poses in zip(recording.ids, decision.poses, strict=True):
        now = dict(zip(ids.tolist(), poses.scores.tolist(), strict=True))
        steps.extend(abs(score - before[who]) for who, score in now.items() if who in before)
        before = now
    return round(float(np.mean(steps)), 4)
