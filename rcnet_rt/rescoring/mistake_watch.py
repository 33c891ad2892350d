"""Looking for likely mistakes call by call: a warning once for each kind, or an error."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np

from rcnet_rt.errors import PosesError, PosesWarning
from rcnet_rt.poses.arrays import Array, is_torch
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.mistakes import (
    UNIT_RANGE,
    Evidence,
    Expected,
    Mistake,
    are_whole,
    evidence,
    find,
    is_suspicious,
)

__all__ = ["MistakeWatch", "OnMistake"]

FIRST_CALLS, EVERY = 100, 16
WHOLE = "scores: got whole numbers; were they rounded? Give the estimator's own confidences."
REFINED_TWICE = (
    "scores: these were returned by this Refiner; refining twice makes them worse. Give the "
    "estimator's own scores."
)

OnMistake = Literal["warn", "ignore", "raise"]


class MistakeWatch:
    """Looks at what one `Refiner` is called with; each kind of mistake is told once.

    A caller's mistakes are in all calls alike: without evidence from the backend, the first calls
    are looked at, then one of 16. Thread-safe: what is remembered decides about warnings alone.
    """

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._told: set[str] = set()
        self._returned = b""
        self._calls = 0

    def look(
        self, inputs: PoseInputs, seen: Evidence | None, scores: object, on_mistake: OnMistake
    ) -> None:
        """Warn of likely mistakes, or raise.

        Args:
            inputs: a frame or a pack of frames, checked, arrays of the host, at least one pose.
            seen: its evidence, where a backend has collected it.
            scores: as the caller gave them.
            on_mistake: "warn" or "raise".

        Raises:
            PosesError: a likely mistake, for "raise".
        """
        self._calls += 1
        often = seen is not None or on_mistake == "raise" or self._calls <= FIRST_CALLS
        if not often and self._calls % EVERY:
            return
        if is_torch(inputs.keypoints):
            inputs = inputs.map(np.asarray)
        mistakes = []
        if self._returned and _fingerprint(inputs.scores) == self._returned:
            mistakes.append(Mistake("refined scores", REFINED_TWICE))
        if is_suspicious(evidence(inputs) if seen is None else seen, self._expected):
            mistakes += find(inputs, self._expected)
        if self._expected.scores is UNIT_RANGE and are_whole(scores):
            mistakes.append(Mistake("scores", WHOLE))
        for mistake in {mistake.kind: mistake for mistake in reversed(mistakes)}.values():
            self._tell(mistake, on_mistake)

    def returned(self, scores: Array, refined: Array) -> None:
        """Remember what a call returned, so that it is known if it comes back as raw scores."""
        result = _fingerprint(refined)
        self._returned = b"" if result == _fingerprint(scores) else result

    def _tell(self, mistake: Mistake, on_mistake: OnMistake) -> None:
        sentence = f"{mistake.sentence} If this is right, say on_mistake='ignore'."
        if on_mistake == "raise":
            raise PosesError(sentence)
        if mistake.kind not in self._told:
            self._told.add(mistake.kind)
            warnings.warn(sentence, PosesWarning, stacklevel=6)


def _fingerprint(scores: Array) -> bytes:
    """Return the scores as bytes, in the precision that they survive everywhere."""
    if is_torch(scores):
        scores = scores.detach().cpu()  # scores of a backend on a GPU, for arrays of the host
    return np.asarray(scores, np.float32).tobytes()
