"""Evidence: what a signal that came beside the score adds to a refined score.

A signal is held against what is usual at such a score; what it is better or worse than that moves
the score's logit. Where it is not known the score stays, so the same weights work with every
signal, with some, and with none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from rcnet_rt.arrays import Array, logit, namespace, sigmoid
from rcnet_rt.consensus import CANDIDATE_OKS
from rcnet_rt.errors import WeightsError
from rcnet_rt.packing import PackedPoses

__all__ = ["SIGNALS", "Evidence", "fit", "log_oks"]

Floats = npt.NDArray[np.float64]

# From cheap to dear: each is fitted to what those before it leave open.
SIGNALS: Mapping[str, Callable[[PackedPoses], Array]] = MappingProxyType(
    {
        "consensus": lambda poses: poses.consensus[:, CANDIDATE_OKS],
        "agreement": lambda poses: poses.agreement,
    }
)

LEAST_OKS = 0.3  # what lies below is somebody else, how far does not matter
FEWEST = 100  # poses to fit two lines to
RIDGE = 1.0  # poses' worth of belief that a signal says nothing
STEPS = 20  # of Newton's method; it settles in five


@dataclass(frozen=True)
class Evidence:
    """How one signal moves a score: logit + weight × (log OKS - usual log OKS at the score).

    Attributes:
        signal: name, of `SIGNALS`.
        usual: a and b; the usual log OKS at score s is a + b s.
        weight: logit per unit of log OKS, at least 0.
    """

    signal: str
    usual: tuple[float, float]
    weight: float

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise WeightsError(
                f"unknown signal {self.signal!r} in the evidence; known are {', '.join(SIGNALS)}"
            )
        object.__setattr__(self, "usual", tuple(map(float, self.usual)))
        if len(self.usual) != 2 or not np.isfinite((*self.usual, self.weight)).all():
            raise WeightsError(f"evidence must hold finite numbers, got {self}")

    def __call__(self, scores: Array, poses: PackedPoses) -> Array:
        """Return the scores (P,) in [0, 1], moved where the signal is known."""
        return self.moved(scores, log_oks(self.signal, poses))

    def moved(self, scores: Array, known: Array) -> Array:
        """Return the scores (P,), moved by what `log_oks` says of the signal (P,)."""
        xp = namespace(scores)
        news = known - (self.usual[0] + self.usual[1] * scores)
        return xp.where(xp.isnan(known), scores, sigmoid(logit(scores) + self.weight * news))


def log_oks(signal: str, poses: PackedPoses) -> Array:
    """Return (P,) logs of a signal, an OKS of at least 0.3; NaN where it is not known."""
    oks = SIGNALS[signal](poses)
    xp = namespace(oks)
    return xp.log(xp.clip(oks, LEAST_OKS, 1))


def fit(
    signal: str, scores: Floats, known: Floats, targets: Floats, weights: Floats
) -> Evidence | None:
    """Learn what is usual by least squares, and the weight by logistic regression.

    Args:
        signal: name, of `SIGNALS`.
        scores: (P,) in [0, 1], of poses that their network did not see.
        known: (P,) as `log_oks` gives it.
        targets: (P,) matched OKS.
        weights: (P,) how much a pose counts.

    Returns:
        None where fewer than 100 poses have the signal, or where it says nothing.
    """
    some = ~np.isnan(known) & (weights > 0)
    if some.sum() < FEWEST:
        return None
    scores, known, targets, weights = (a[some] for a in (scores, known, targets, weights))
    line = np.stack([np.ones_like(scores), scores], axis=1) * np.sqrt(weights)[:, None]
    a, b = np.linalg.lstsq(line, known * np.sqrt(weights), rcond=None)[0].tolist()
    news, before = known - (a + b * scores), logit(scores)
    weight = 0.0
    for _ in range(STEPS):
        expected = sigmoid(before + weight * news)
        slope = (weights * news * (targets - expected)).sum() - RIDGE * weight
        bend = (weights * news**2 * expected * (1 - expected)).sum() + RIDGE
        weight += float(slope / bend)
    return Evidence(signal, (a, b), weight) if weight > 0 else None
