"""The rank loss with Gaussians instead of Laplacians (paper, appendix G): as described and derived.

With t the score difference of a pair, positive if ranked correctly, and c = 1 its maximum:
minus the logarithm of a Gaussian density, integrated over [0, c], is ((c - t)³ + t³) / (6 σ'²), a
parabola with its vertex at c / 2 on both sides of 0. The text describes less, "just maximises the
margin": that is (c - t)³ / (6 σ'²) alone. Its formula (eq. 15) has the opposite sign of the cube,
which would increase misrankings. σ and σ' are not given; they are 1 here, so that the first term,
E (s* - f)² / σ², and the second are weighted as in the rank loss.
"""

from __future__ import annotations

from torch import Tensor

from rcnet_rt.training.losses.pairs import pair_mean, signed_margins
from rcnet_rt.training.losses.pointwise import squared_error

__all__ = ["gaussian_cubic_loss", "gaussian_loss"]


def gaussian_loss(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the loss as derived: mean squared error + mean ((t - 1/2)² + 1/12) / 2 of pairs.

    Scores (P,) in [0, 1], targets (P,) in [0, 1], weights (P,); pairs of equal targets are left
    out.
    """
    margins = signed_margins(scores, targets)
    pairs = pair_mean(((margins - 0.5) ** 2 + 1 / 12) / 2, targets, weights)
    return squared_error(scores, targets, weights) + pairs


def gaussian_cubic_loss(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the loss as described: mean squared error + mean (1 - t)³ / 6 of pairs.

    Shapes as in `gaussian_loss`.
    """
    pairs = pair_mean((1 - signed_margins(scores, targets)) ** 3 / 6, targets, weights)
    return squared_error(scores, targets, weights) + pairs
