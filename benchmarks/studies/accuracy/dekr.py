"""DEKR's rescoring, which the paper compares with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.studies.accuracy.scorers import settle
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.models.rcnet import ScoreNet
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import PoseTable, RankingSet
from rcnet_rt.training.loop import score

__all__ = ["dekr"]

Floats = npt.NDArray[np.float64]

EPOCHS = 20
LEARNING_RATE = 1e-3


def dekr(
    training: LabeledResults, test: LabeledResults, seed: int, recipe: Recipe, matched: bool = False
) -> Floats:
    """Learn as DEKR does, ScoreNet by mean squared error, and multiply its output by the score.

    DEKR's Adam, learning rate 0.001 and 20 epochs, but smaller steps: one of its batches holds 1024
    poses, half of what there is here. Its target is the largest OKS with any person who counts,
    which gives duplicates the OKS of the original; `matched` uses the one-to-one match instead.
    """
    settled = settle(
        training, replace(recipe, features="dekr", baseline="score", unmatched_weight=1.0), seed
    )
    poses, examples = settled.examples(training, recipe.max_poses)
    if not matched:
        examples = replace(examples, targets=_largest_oks(training, poses))
    network = _squared_error(examples, recipe, seed)
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


def _squared_error(examples: RankingSet, recipe: Recipe, seed: int) -> ScoreNet:
    """Train DEKR's ScoreNet; its features are standardised, which DEKR leaves out."""
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
            error = (
                network(features[rows], baseline[rows], image_index[rows]) - targets[rows]
            ) ** 2
            loss = (error * weights[rows]).sum() / weights[rows].sum().clamp_min(1e-6)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()
