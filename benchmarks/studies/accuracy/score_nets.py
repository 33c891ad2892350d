"""The two published networks that multiply the score: DEKR's ScoreNet and super-gradients'.

Both read DEKR's 74 features of one pose (vectors and lengths of its links, joint scores) with two
hidden layers of 256, and multiply the estimator's score by their output. DEKR minimises the squared
error, super-gradients the cross-entropy. Here features are standardised, which both leave out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchmarks.studies.accuracy.settled import settle
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.models.rcnet import ScoreNet
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import PoseTable, RankingSet
from rcnet_rt.training.loop import score

__all__ = ["dekr", "super_gradients"]

Floats = npt.NDArray[np.float64]
Criterion = Callable[[Tensor, Tensor], Tensor]  # logits and targets (P,) -> errors (P,)

EPOCHS = 20
LEARNING_RATE = 1e-3


def dekr(
    training: LabeledResults, test: LabeledResults, seed: int, recipe: Recipe, matched: bool = False
) -> Floats:
    """Learn as DEKR does, ScoreNet by mean squared error, and multiply its output by the score.

    DEKR's Adam, learning rate 0.001 and 20 epochs, but smaller steps: one of its batches holds 1024
    poses, a fifth of what there is here. Its target is the largest OKS with any person who counts,
    which gives duplicates the OKS of the original; `matched` uses the one-to-one match instead.
    """
    return _multiplied(training, test, seed, recipe, _squared_error, matched)


def super_gradients(
    training: LabeledResults, test: LabeledResults, seed: int, recipe: Recipe
) -> Floats:
    """Learn as super-gradients does: the same network and target by cross-entropy."""
    return _multiplied(training, test, seed, recipe, _cross_entropy, matched=False)


def _squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    return (torch.sigmoid(logits) - targets) ** 2


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def _multiplied(
    training: LabeledResults,
    test: LabeledResults,
    seed: int,
    recipe: Recipe,
    criterion: Criterion,
    matched: bool,
) -> Floats:
    settled = settle(
        training, replace(recipe, features="dekr", baseline="score", unmatched_weight=1.0), seed
    )
    poses, examples = settled.examples(training, recipe.max_poses)
    if not matched:
        examples = replace(examples, targets=_largest_oks(training, poses))
    network = _trained(examples, recipe, seed, criterion)
    poses, unseen = settled.examples(test)
    raw = test.scores[np.concatenate(poses.entries)]
    return settled.place(test, poses, score(network, unseen) * raw)


def _largest_oks(data: LabeledResults, poses: PoseTable) -> npt.NDArray[np.float32]:
    largest = []
    for image, packed in zip(poses.image_ids.tolist(), poses.batches, strict=True):
        oks = data.ground_truth.oks(image, packed.keypoints)
        counted = ~data.ground_truth.persons[image].ignore
        largest.append(oks[:, counted].max(axis=1, initial=0.0))
    return np.concatenate(largest).astype(np.float32)


def _trained(examples: RankingSet, recipe: Recipe, seed: int, criterion: Criterion) -> ScoreNet:
    torch.manual_seed(seed)
    network = ScoreNet.for_skeleton("coco17")
    features, targets = torch.tensor(examples.features), torch.tensor(examples.targets)
    weights = torch.tensor(examples.weights)
    network.standardise.mean.copy_(features.mean(0))
    network.standardise.deviation.copy_(features.std(0).clamp_min(1e-4))
    baseline, image_index = torch.tensor(examples.baseline), torch.tensor(examples.image)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    for epoch in range(EPOCHS):
        order = np.random.default_rng((seed, epoch)).permutation(len(examples))
        for start in range(0, len(order), recipe.poses_per_step):
            rows = torch.from_numpy(order[start : start + recipe.poses_per_step])
            logits = network.logits(features[rows], baseline[rows], image_index[rows])
            error = criterion(logits, targets[rows])
            loss = (error * weights[rows]).sum() / weights[rows].sum().clamp_min(1e-6)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()
