"""Hysteresis: people are kept, not poses, so that none flickers at the threshold.

keep = Hysteresis(enter=0.4)
kept = keep(poses, time)  # (N,) booleans

A person is kept once the score reaches the threshold and the track has a minimum age, and until the
score falls clearly below the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.temporal.tracking import LOST_AFTER, followed, seconds

__all__ = ["AGE", "Hysteresis", "half_odds"]

AGE = 0.1  # seconds: three frames of most videos; hides a flash, and is faster than any reaction
ROUNDING = 1e-6  # seconds by which times may miss each other


@dataclass(frozen=True)
class _Person:
    """Since when a track is there, when it was last seen (seconds), and whether it is kept."""

    since: float
    seen: float
    kept: bool


class Hysteresis:
    """Takes the poses of frame after frame; remembers the tracks of the last second.

    Args:
        enter: score from which a person becomes kept.
        leave: score below which a kept person no longer is; None is half the odds of `enter`.
        age: seconds in sight before which a person is not kept.

    Raises:
        PosesError: not 0 <= leave <= enter <= 1, or an age below 0.
    """

    def __init__(self, enter: float, leave: float | None = None, age: float = AGE) -> None:
        self.move(enter, leave)
        if not age >= 0:
            raise PosesError(f"age: expected seconds, not below 0, got {age}")
        self.age = age
        self._people: dict[int, _Person] = {}

    def move(self, enter: float, leave: float | None = None) -> None:
        """Take other thresholds from the next frame on; nobody's track is forgotten.

        Raises:
            PosesError: not 0 <= leave <= enter <= 1.
        """
        leave = half_odds(enter) if leave is None else leave
        if not 0 <= leave <= enter <= 1:
            raise PosesError(
                f"expected thresholds 0 <= leave <= enter <= 1, got leave={leave}, enter={enter}"
            )
        self.enter, self.leave = enter, leave

    def __len__(self) -> int:
        """Return how many tracks are remembered."""
        return len(self._people)

    def __call__(self, poses: Poses, time: float) -> npt.NDArray[np.bool_]:
        """Return (N,) which poses are kept; those without a track if they reach `enter`.

        Args:
            poses: of one frame.
            time: of the frame in seconds; if it jumps by more than a second, tracks begin anew.

        Raises:
            PosesError: two poses of one track, or a time that is not finite.
        """
        time, scores = seconds(time), poses.scores.astype(np.float64)
        kept: npt.NDArray[np.bool_] = scores >= self.enter
        if poses.track_ids is None:
            return kept
        self._people = {
            name: person
            for name, person in self._people.items()
            if abs(time - person.seen) <= LOST_AFTER
        }
        for row in followed(poses):
            name = int(poses.track_ids[row])
            person = replace(self._people.get(name, _Person(time, time, False)), seen=time)
            old_enough = time - person.since >= self.age - ROUNDING
            threshold = self.leave if person.kept else self.enter
            kept[row] = old_enough and scores[row] >= threshold
            self._people[name] = replace(person, kept=bool(kept[row]))
        return kept


def half_odds(score: float) -> float:
    """Return the score with half the odds.

    >>> half_odds(0.5), half_odds(1.0), half_odds(0.0)
    (0.3333333333333333, 1.0, 0.0)
    """
    return score / (2 - score)
