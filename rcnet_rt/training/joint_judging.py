"""How good a joint head is on images that neither it nor its score network was trained on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.evaluation.joint_figures import JointFigures, joint_figures
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.joint_training import JointRecipe, TrainedHeads, train_heads
from rcnet_rt.training.splits import Split

__all__ = [
    "add_joint_head",
    "held_out_figures",
    "joint_record",
    "refined_held_out",
    "with_head",
]


def add_joint_head(
    weights: Weights,
    parts: Sequence[tuple[Split, Weights]],
    estimators: Mapping[str, LabeledResults],
    recipe: JointRecipe,
    left_out: Collection[str] = (),
) -> Weights:
    """Return the weights with a joint head and its figures on held-out images.

    The arguments are those of `joint_training.train_heads`. The score does not change.
    """
    heads = train_heads(estimators, parts, weights, recipe, left_out)
    return with_head(weights, heads, estimators, recipe)


def with_head(
    weights: Weights,
    heads: TrainedHeads,
    estimators: Mapping[str, LabeledResults],
    recipe: JointRecipe,
) -> Weights:
    """Return the weights with a trained joint head and its figures on held-out images."""
    figures = {name: held_out_figures(data, heads.held_out) for name, data in estimators.items()}
    known = {name: joint_record(each) for name, each in figures.items() if each is not None}
    record = {"recipe": asdict(recipe), "estimators": known}
    return replace(weights, joints=replace(heads.head, training=record))


def refined_held_out(
    data: LabeledResults, held_out: Sequence[tuple[Split, Weights]]
) -> list[ImagePoses]:
    """Return the poses of the held-out images, refined as `Refiner` does, without recheck."""
    refined: list[ImagePoses] = []
    for split, weights in held_out:
        items = [data.poses[image] for image in split.held_out if image in data.poses]
        poses = [replace(item.poses, agreement=None) for item in items]
        reference = data.score_reference if weights.uses_reference else None
        after = Refiner(weights, backend="torch").batch(poses, reference=reference)
        refined += [replace(item, poses=new) for item, new in zip(items, after, strict=True)]
    return refined


def held_out_figures(
    data: LabeledResults, held_out: Sequence[tuple[Split, Weights]]
) -> JointFigures | None:
    """Return the figures of the joints on the held-out images; None without poses."""
    floor = held_out[0][1].floor
    return joint_figures(data.ground_truth, refined_held_out(data, held_out), data.match, floor)


def joint_record(figures: JointFigures) -> Mapping[str, Any]:
    """Return the figures that a weights file keeps, as plain values."""
    coverage = figures.coverage
    assert coverage is not None
    return {
        "poses": figures.poses,
        "error": _mean(figures.calibrated.error),
        "largest_error": _finite(np.nanmax(figures.calibrated.error)),
        "annotated_error": _mean(figures.calibrated.annotated_error),
        "brier": _mean(figures.calibrated.brier),
        "raw_brier": None if figures.raw is None else _mean(figures.raw.brier),
        "coverage": [_finite(np.nanmin(coverage.by_joint)), _finite(np.nanmax(coverage.by_joint))],
        "groups": {name: _finite(share) for name, share in coverage.groups.items()},
        "relative_area": _finite(coverage.relative_area),
    }


def _mean(values: Any) -> float | None:
    return _finite(np.nanmean(values))


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
