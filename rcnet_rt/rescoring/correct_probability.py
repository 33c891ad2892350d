"""The probability that a pose is a true positive, given its refined score.

A refined score is the expected OKS: a pose of 0.6 may be correct almost surely, or half the time
with an OKS of 1. Precision and recall count poses of OKS >= 0.5, so that they need this
probability. It is fitted on images that the network was not trained on (beta calibration; Kull et
al., 2017).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring.weights import Weights

__all__ = ["RECORD", "CorrectProbability", "logistic", "score_columns"]

Floats = npt.NDArray[np.float64]

RECORD = "correct_probability"  # its name among the training figures in a weights file
MIN_SCORE = 1e-3  # scores are brought into [MIN_SCORE, 1 - MIN_SCORE]


def score_columns(scores: npt.ArrayLike) -> Floats:
    """Return what the log-odds are linear in: (N, 3) ln s, -ln(1 - s), 1 of (N,) refined scores."""
    clipped = np.clip(np.asarray(scores, np.float64), MIN_SCORE, 1 - MIN_SCORE)
    return np.stack([np.log(clipped), -np.log(1 - clipped), np.ones_like(clipped)], axis=1)


@dataclass(frozen=True)
class CorrectProbability:
    """P(OKS >= 0.5 | refined score), never falling with the score, and how well it is known.

    Attributes:
        coefficients: of ln s, -ln(1 - s) and 1 in the log-odds; the first two at least 0.
        covariance: 3 rows of 3: of the coefficients, over draws of the labeled images.
        prior: share of true positives among the poses that it was fitted on, in (0, 1).
        found: share of the annotated people that the estimator finds at all, in (0, 1]: with OKS
            >= 0.5 and a raw score of at least the floor; the mean over the estimators.
        found_deviation: standard deviation of `found` for a further estimator and draw of images.
        images: number of labeled images.

    Raises:
        WeightsError: numbers that none of these can be.

    >>> learned = CorrectProbability((1.0, 1.0, 0.0), ((0.0,) * 3,) * 3, 0.5, 0.8, 0.05, 1000)
    >>> learned([0.2, 0.5]).round(6).tolist()
    [0.2, 0.5]
    """

    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    prior: float
    found: float
    found_deviation: float
    images: int

    def __post_init__(self) -> None:
        mean, spread = np.array(self.coefficients), np.array(self.covariance)
        good = mean.shape == (3,) and spread.shape == (3, 3)
        if not (
            good
            and np.isfinite(
                [*mean, *spread.ravel(), self.prior, self.found, self.found_deviation]
            ).all()
            and (mean[:2] >= 0).all()
            and np.allclose(spread, spread.T)
            and 0 < self.prior < 1
            and 0 < self.found <= 1
            and self.found_deviation >= 0
        ):
            raise WeightsError(
                "the probability of a true positive needs 3 coefficients, the first two not "
                "negative, their symmetric covariance and shares in (0, 1), got "
                f"{self}; the weights file is damaged"
            )

    def __call__(self, scores: npt.ArrayLike) -> Floats:
        """Return (N,) probabilities of (N,) refined scores."""
        return logistic(self.log_odds(scores)[0])

    def log_odds(self, scores: npt.ArrayLike, draws: int = 0, seed: int = 0) -> Floats:
        """Return (1 + R, N) log-odds of (N,) scores: as fitted, then by R draws.

        A draw has coefficients that other labeled images like these could have given.
        """
        mean, spread = np.array(self.coefficients), np.array(self.covariance)
        random = np.random.default_rng(seed)
        some = random.multivariate_normal(mean, spread, size=draws, method="eigh")
        some[:, :2] = np.maximum(some[:, :2], 0)
        return np.asarray(np.concatenate([mean[None], some]) @ score_columns(scores).T)

    def record(self) -> dict[str, Any]:
        """Return it as a weights file and a profile keep it."""
        return asdict(self)

    @classmethod
    def of(cls, weights: Weights) -> CorrectProbability | None:
        """Return what weights hold; None for a baseline, and for files older than it.

        Raises:
            WeightsError: it is damaged.
        """
        record = weights.training.get(RECORD)
        if record is None:
            return None
        try:
            return cls(
                tuple(map(float, record["coefficients"])),
                tuple(tuple(map(float, row)) for row in record["covariance"]),
                float(record["prior"]),
                float(record["found"]),
                float(record["found_deviation"]),
                int(record["images"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                f"weights {weights.name!r}: {RECORD} is damaged ({error!r}); copy the file again"
            ) from error


def logistic(values: Floats) -> Floats:
    """Return the probabilities that log-odds stand for."""
    return np.asarray(np.exp(-np.logaddexp(0, -values)))
