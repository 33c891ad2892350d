"""AP and ranking accuracy on the held-out images, computed after every epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import WeightsError
from rcnet_rt.evaluation.average_precision import AveragePrecision
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE, ranking_accuracy
from rcnet_rt.models.rcnet import Network
from rcnet_rt.training.dataset import RankingSet
from rcnet_rt.training.loop import Epoch, score

__all__ = ["HeldOutImages", "OnEpoch", "Progress", "monitor"]


@dataclass(frozen=True)
class Progress:
    """The state of a training run after an epoch.

    Attributes:
        split: name of the split.
        epoch: from 1.
        loss: mean over the steps of the epoch.
        ap: in [0, 1], on the held-out images of the split, the mean over the estimators; NaN
            without such images.
        ranking_accuracy: in [0, 1], of their poses matched at OKS 0.5; likewise.
    """

    split: str
    epoch: int
    loss: float
    ap: float
    ranking_accuracy: float


OnEpoch = Callable[[Progress], None]


@dataclass(frozen=True, eq=False)
class HeldOutImages:
    """One estimator's poses on the held-out images of a split.

    Attributes:
        examples: the P poses that are re-scored.
        rows: (P,) indices of their entries.
        oks: (P,) their matched OKS.
        raw_scores: (E,) of all entries of the estimator.
        average_precision: the AP evaluator for scores of these entries.
        images: ids of the held-out images.
    """

    examples: RankingSet
    rows: npt.NDArray[np.int64]
    oks: npt.NDArray[np.float64]
    raw_scores: npt.NDArray[np.float64]
    average_precision: AveragePrecision
    images: tuple[int, ...]

    def evaluate(self, network: Network) -> tuple[float, float]:
        """Return AP and ranking accuracy of the network's scores.

        Raises:
            WeightsError: a score is not finite.
        """
        refined = score(network, self.examples)
        if not np.isfinite(refined).all():
            raise WeightsError(
                "the network gives scores that are not finite; use a smaller learning rate"
            )
        scores = self.raw_scores - self.raw_scores.max()  # entries not re-scored rank last
        scores[self.rows] = refined
        true = self.oks >= TRUE_POSITIVE
        ap = self.average_precision.ap(scores, self.images)
        return ap, ranking_accuracy(refined[true], self.oks[true])


def monitor(
    split: str, held_out: Sequence[HeldOutImages], progress: OnEpoch
) -> Callable[[Epoch], None]:
    """Return what evaluates the network after an epoch and reports it to `progress`."""

    def on_epoch(epoch: Epoch) -> None:
        figures = [images.evaluate(epoch.network) for images in held_out]
        ap, accuracy = np.mean(figures, axis=0).tolist() if figures else (np.nan, np.nan)
        progress(Progress(split, epoch.number, epoch.loss, ap, accuracy))

    return on_epoch
