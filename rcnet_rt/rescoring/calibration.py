"""A monotone map from the network's output to expected OKS. It never changes the order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.arrays import Array, Constant, namespace

__all__ = ["Calibration", "fit"]

# Knots are at least so far apart: in a steeper map rounding would show.
MIN_WIDTH = 1e-3
MIN_RISE = 1e-3  # share of each step's width that the map rises at least, so that no ties arise


@dataclass(frozen=True, eq=False)
class Calibration:
    """A strictly increasing, piecewise linear map of [0, 1] onto [0, 1].

    Attributes:
        inputs: (M,) network outputs, increasing from 0 to 1.
        outputs: (M,) expected OKS there, increasing from 0 to 1.

    >>> calibration = Calibration(np.array([0, 0.5, 1]), np.array([0, 0.8, 1]))
    >>> calibration(np.array([0.25, 0.75])).tolist()
    [0.4, 0.9]
    """

    inputs: npt.NDArray[np.float64]
    outputs: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            knots = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, knots)
            good = knots.ndim == 1 and len(knots) >= 2 and (np.diff(knots) > 0).all()
            if not good or knots[0] != 0 or knots[-1] != 1:
                raise WeightsError(
                    f"calibration {name} must increase strictly from 0 to 1, got {knots}"
                )
        if self.inputs.shape != self.outputs.shape:
            raise WeightsError(
                f"calibration needs as many outputs as inputs, got {len(self.outputs)} "
                f"and {len(self.inputs)}"
            )

    def __call__(self, scores: Array) -> Array:
        """Map scores (P,) in [0, 1]; NumPy or torch."""
        xp = namespace(scores)
        start, width, rise = (part.like(scores) for part in self._constants)
        share = xp.clip((scores[:, None] - start) / width, 0, 1)
        return xp.clip((share * rise).sum(axis=1), 0, 1)

    @property
    def steps(self) -> tuple[Array, Array, Array]:
        """Start, width and rise of the steps between knots, (M - 1,) each."""
        return self.inputs[:-1], np.diff(self.inputs), np.diff(self.outputs)

    @cached_property
    def _constants(self) -> list[Constant]:
        return [Constant(part) for part in self.steps]


def fit(
    scores: npt.NDArray[np.floating],
    targets: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating] | None = None,
    knots: int = 20,
) -> Calibration:
    """Fit expected OKS as a monotone function of the score (isotonic regression on bins).

    Bins hold about the same number of poses; pools of adjacent violators are merged (PAVA), and
    the map is made to rise everywhere so that different scores stay different.

    Args:
        scores: (P,) network outputs in [0, 1] for poses that were not trained on.
        targets: (P,) matched OKS in [0, 1].
        weights: (P,) how much a pose counts; 1 where not given.
        knots: the number of bins.
    """
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(scores, kind="stable")
    bins = [chunk for chunk in np.array_split(order, knots) if weights[chunk].sum() > 0]
    points = [
        (
            float(np.average(scores[chunk], weights=weights[chunk])),
            float(np.average(targets[chunk], weights=weights[chunk])),
            float(weights[chunk].sum()),
        )
        for chunk in bins
    ]
    pools = _pool_adjacent_violators(points)
    inside = [pool for pool in pools if MIN_WIDTH < pool[0] < 1 - MIN_WIDTH]
    inputs = np.array([0.0, *(x for x, _, _ in inside), 1.0])
    outputs = np.clip(np.array([0.0, *(y for _, y, _ in inside), 1.0]), 0, 1)
    outputs = (1 - MIN_RISE) * np.maximum.accumulate(outputs) + MIN_RISE * inputs
    outputs[0], outputs[-1] = 0.0, 1.0
    return Calibration(inputs, outputs)


def _pool_adjacent_violators(
    points: list[tuple[float, float, float]],
) -> list[tuple[float, float, float]]:
    """Merge neighbours (x, y, weight) until x rises and y does not fall."""
    pools: list[tuple[float, float, float]] = []
    for x, y, weight in points:
        pools.append((x, y, weight))
        while len(pools) > 1 and (
            pools[-2][1] >= pools[-1][1] or pools[-1][0] - pools[-2][0] <= MIN_WIDTH
        ):
            x2, y2, w2 = pools.pop()
            x1, y1, w1 = pools.pop()
            total = w1 + w2
            pools.append(((x1 * w1 + x2 * w2) / total, (y1 * w1 + y2 * w2) / total, total))
    return pools
