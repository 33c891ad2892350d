"""Trains the `generic` weights and writes their card: `python -m tools.generic_weights`.

Every figure is of an estimator whose whole group was left out: each pose is scored by a network
that saw neither its group nor its image. Trained on scores as they are; other conventions of them
are evaluated only, since the convention of the next estimator is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.common import data_option
from benchmarks.studies.accuracy.protocol import ESTIMATORS, load
from rcnet_rt.datasets.results import ImagePoses, with_scores
from rcnet_rt.evaluation.average_precision import Interval
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.baselines import RANK_TIMES_CONFIDENCE
from rcnet_rt.rescoring.batch import poses_to_batch
from rcnet_rt.rescoring.constants import (
    JOINT_POWER,
    RELATED,
    UNEXPLAINED_POWER,
    UNKNOWN_CORRELATION,
)
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.cross_validation import calibrate_on, hold_out_each
from rcnet_rt.training.dataset import RankingSet, join, ranking_set, select, table, with_reference
from rcnet_rt.training.loop import train
from rcnet_rt.training.splits import Split, fold_splits
from rcnet_rt.version import __version__

__all__ = ["card", "main"]

Floats = npt.NDArray[np.float64]
Parts = Sequence[tuple[Split, Weights]]

RECIPE = Recipe(
    architecture="linear",
    features="confidence",
    baseline=RANK_TIMES_CONFIDENCE,
    weight_decay=2.0,
    epochs=5,
    floor=0.0,
)
FOLDS = 5
RAW = "raw"
FILE, FRAME = "all", "all, frame by frame"  # what scores are compared over


def _baseline(name: str) -> Callable[[LabeledResults], Floats]:
    return lambda data: data.baseline_values(name)


def _mean(data: LabeledResults) -> Floats:
    """Return the mean score of all joints, 0 where not found."""
    values = np.full(len(data.entries), -1.0)
    for item in data.poses.values():
        values[item.entries] = poses_to_batch(item.poses).keypoint_scores.mean(axis=1)
    return values


CONVENTIONS: Mapping[str, Callable[[LabeledResults], Floats]] = {
    RAW: lambda data: data.scores,
    "score × (joints - 1)": _baseline("score_times_joints"),
    "score × joints × (joints + 1)": _baseline("score_times_parts"),
    "score × mean joint score > 0.2": _baseline("score_times_confidence"),
    "score × mean joint score": lambda data: data.scores * _mean(data),
    "score + mean + max joint score": _baseline("score_plus_confidence"),
    "mean joint score > 0.2": _baseline("mean_confidence"),
    "mean joint score": _mean,
}


@dataclass(frozen=True)
class LeftOut:
    """What refining gains one estimator under one convention, by weights of other groups."""

    estimator: str
    convention: str
    before: float
    joint_correlation: float
    gains: Mapping[str, Interval]  # over the file; of raw scores also one frame by itself


@dataclass(frozen=True, eq=False)
class Examples:
    """The training poses of one estimator; image number n has the id `image_ids[n]`."""

    image_ids: npt.NDArray[np.int64]
    poses: RankingSet

    @classmethod
    def of(cls, data: LabeledResults) -> Examples:
        """Return those of some results, scores by their expected rank in them."""
        poses = table(
            data.ground_truth,
            data.poses,
            floor=-np.inf,
            max_poses=RECIPE.max_poses,
            unmatched_weight=RECIPE.unmatched_weight,
        )
        poses = with_reference(poses, data.score_reference)
        skeleton = data.ground_truth.skeleton
        known = ranking_set(poses, skeleton, RECIPE.features, RECIPE.baseline, 1.0, RECIPE.target)
        return cls(poses.image_ids, known)

    def on(self, images: Sequence[int]) -> RankingSet:
        """Return those on some images."""
        return select(self.poses, np.flatnonzero(np.isin(self.image_ids, images)))


def variants(data: LabeledResults) -> dict[str, LabeledResults]:
    """Return the results under each convention that orders them in a way of its own."""
    found: dict[str, LabeledResults] = {}
    orders: list[npt.NDArray[np.int64]] = []
    known = np.isin(np.arange(len(data.entries)), np.concatenate([p.entries for p in _all(data)]))
    for name, convention in CONVENTIONS.items():
        values = np.where(known, convention(data), 0.0)
        order = np.argsort(np.argsort(values[known], kind="stable"))
        if np.ptp(values[known]) > 0 and not any(_same(order, other) for other in orders):
            orders.append(order)
            found[name] = LabeledResults(data.ground_truth, with_scores(data.entries, values))
    return found


def _same(order: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> bool:
    """Whether two orders are the same but for the rounding of scores."""
    return float(np.corrcoef(order, other)[0, 1]) > 0.9999


def _all(data: LabeledResults) -> list[ImagePoses]:
    return list(data.poses.values())


def fit(parts: Sequence[RankingSet], skeleton: str) -> Weights:
    """Train on the poses of some estimators; not calibrated yet."""
    network = train(RECIPE, join(parts))
    return Weights(
        name="generic",
        baseline=RECIPE.baseline,
        skeleton=skeleton,
        features=RECIPE.features,
        network=network.config,
        tensors={key: t.cpu().numpy().copy() for key, t in network.state_dict().items()},
        family="generic",
        score_convention="any: the higher, the better",
    )


def refined(data: LabeledResults, parts: Parts, alone: bool) -> Floats:
    """Return (E,) scores of held-out images, as `rcnet-rt refine` gives them or frame by frame."""
    reference = None if alone else data.score_reference
    scores = np.zeros(len(data.entries))
    for split, weights in parts:
        items = [data.poses[image] for image in split.held_out if image in data.poses]
        after = Refiner(weights, backend="torch").batch(
            [item.poses for item in items], reference=reference
        )
        for item, poses in zip(items, after, strict=True):
            scores[item.entries] = poses.scores
    return scores


def evaluate(estimator: str, convention: str, data: LabeledResults, parts: Parts) -> LeftOut:
    """Evaluate weights on results that they were not trained on."""
    precision = data.average_precision
    gains = {
        view: precision.bootstrap(data.scores, refined(data, parts, alone=view == FRAME))
        for view in ((FILE, FRAME) if convention == RAW else (FILE,))
    }
    correlation = data.score_reference.joint_correlation
    return LeftOut(estimator, convention, precision.ap(data.scores), correlation, gains)


def record(left_out: Sequence[LeftOut], images: Sequence[int]) -> dict[str, Any]:
    """Return the training record of the weights file; its keys stay as they are."""
    raw = [item for item in left_out if item.convention == RAW]
    gains = {view: [item.gains[view].difference for item in raw] for view in (FILE, FRAME)}
    return {
        "version": __version__,
        "recipe": asdict(RECIPE),
        "data": [file for estimator in ESTIMATORS.values() for file in estimator.files],
        "held_out": f"each group once, every image once, in {FOLDS} folds; the kept network: none",
        "images": sorted(images),
        "figures": {
            view: {"gain": [float(np.mean(some))], "worst": min(some)}
            for view, some in gains.items()
        },
        "left_out": [
            {
                "estimator": item.estimator,
                "convention": item.convention,
                "echo": item.joint_correlation,
                "before": item.before,
                "gains": {
                    view: [gain.difference, gain.low, gain.high]
                    for view, gain in item.gains.items()
                },
            }
            for item in left_out
        ],
    }


INTRODUCTION = f"""# generic

For an estimator that has no weights of its own. Raw scores enter by their *expected rank*, the
number of poses an image that score at least this, so that probabilities, sums and logits are
treated alike, and are multiplied by the confidence of the joints: the mean of the joint scores,
each weighted by itself, times the share of joints found, to a power. Where scores contain the
joints' confidence already (their *joint correlation* r, measured in the file without labels), the
power fades out; where they are unrelated to it, too. From r = {RELATED} on it is
{JOINT_POWER} (1 - r)^{UNEXPLAINED_POWER}: about a half for a detector's score. A small linear
correction by the number of joints found and of joints with a score above 0.2 follows. Without joint
scores, joints that were found count as certain.

`rcnet-rt refine` and `eval` compare scores over the whole file. In a program, pass a
`ScoreReference.of(poses of earlier frames)`; without one each frame is taken by itself, reference
and joint correlation are not known, and the scores stay close to the raw ones.

"""

EXPLANATION = f"""
AP in points, gains with 95 % intervals from a paired bootstrap over images, of an estimator whose
group (one-stage, top-down, bottom-up) was left out, on images that were left out; complete
annotations. `{FILE}` compares scores over the file. A gain whose interval contains 0 is noise.
Conventions other than raw are computed from the raw results and were not trained on; no gain is
expected there, and no loss of more than 0.1 is known.

The formula was chosen on the raw results of these nine estimators, so that the figures are a little
optimistic: the self-weighted mean among eight statistics of the joint scores, its power among 0.25,
0.5 and 0.75 (of which 0.5 is the best for any two of the groups, too), the factor {JOINT_POWER} so
that raw scores get about that power and YOLO-Pose under other conventions loses little. The
exponent with which the power fades ({UNEXPLAINED_POWER}), the joint correlation below which it
fades too ({RELATED}) and the one that is assumed for a frame by itself ({UNKNOWN_CORRELATION}) are
older, from Lightweight OpenPose and YOLO-Pose. The linear correction adds next to nothing.

Where all joint scores are equal and all joints found, the order is the raw one.

Tried without success: the power 0.5 for all (raw scores +0.46 on average, of which PoseNet's +0.49,
but up to -0.5 under other conventions); 1 - r, at most 0.5, as power (+0.43, and up to -0.3); size,
shape, links and overlap as features, and an MLP (estimators left out lose).
"""


def card(weights: Weights) -> str:
    """Return the model card, in Markdown."""
    training = weights.training
    thresholds = ", ".join(
        f"`{name}` {value:.3f}" for name, value in sorted(weights.thresholds.items())
    )
    return INTRODUCTION + "\n".join(
        [
            "| | |",
            "| --- | --- |",
            f"| trained on | {', '.join(training['data'])} |",
            f"| held out | {training['held_out']} |",
            f"| baseline | `{weights.baseline}` |",
            f"| features | `{weights.features}` |",
            "| network | linear, without attention between poses; residual output |",
            f"| loss | `{training['recipe']['loss']}`, the paper's rank loss |",
            f"| thresholds of the refined score | {thresholds} |",
            f"| seed, version | {training['recipe']['seed']}, rcnet-rt {training['version']} |",
            "",
            *(_summary(view, figures) for view, figures in training["figures"].items()),
            "",
            f"| left out | scores | joint correlation | AP raw | {FILE} | {FRAME} |",
            "| --- | --- | --- | --- | --- | --- |",
            *(_row(item) for item in training["left_out"]),
            EXPLANATION,
        ]
    )


def _summary(view: str, figures: Mapping[str, Any]) -> str:
    (mean,) = figures["gain"]
    return (
        f"- {view}, raw scores: mean gain of the {len(ESTIMATORS)} estimators left out "
        f"{100 * mean:+.2f}, worst {100 * figures['worst']:+.2f}."
    )


def _row(item: Mapping[str, Any]) -> str:
    cells = [
        item["estimator"],
        item["convention"],
        f"{item['echo']:.2f}",
        f"{100 * item['before']:.2f}",
        *(_gain(item["gains"].get(view)) for view in (FILE, FRAME)),
    ]
    return "| " + " | ".join(cells) + " |"


def _gain(gain: Sequence[float] | None) -> str:
    if gain is None:
        return "–"
    difference, low, high = (100 * value for value in gain)
    return f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"


@click.command()
@data_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("weights/generic.safetensors"),
    show_default=True,
    help="The weights; the card goes beside them.",
)
def main(data: Path, out: Path) -> None:
    """Train, evaluate with each group left out, write the weights and their card."""
    results = {name: load(data, estimator) for name, estimator in ESTIMATORS.items()}
    examples = {name: Examples.of(some) for name, some in results.items()}
    images = sorted({image for some in results.values() for image in some.poses})
    skeleton = next(iter(results.values())).ground_truth.skeleton.name
    left_out: list[LeftOut] = []
    scored = []
    for group in dict.fromkeys(estimator.group for estimator in ESTIMATORS.values()):
        mine = [name for name, estimator in ESTIMATORS.items() if estimator.group == group]
        others = [some for name, some in examples.items() if name not in mine]
        parts = [
            (split, fit([some.on(split.training) for some in others], skeleton))
            for split in fold_splits(images, FOLDS)
        ]
        held_out = hold_out_each({name: results[name] for name in mine}, parts)
        scored += [(results[name], held_out[name]) for name in mine]
        for name in mine:
            for convention, some in variants(results[name]).items():
                left_out.append(evaluate(name, convention, some, parts))
                gain = left_out[-1].gains[FILE]
                click.echo(f"{name}, {convention}: {100 * gain.difference:+.2f}")
    kept = fit([some.poses for some in examples.values()], skeleton)
    weights = replace(calibrate_on(scored, kept), raw_threshold=kept.raw_threshold)
    weights = replace(weights, training={**weights.training, **record(left_out, images)})
    weights_io.save(weights, out)
    out.with_suffix(".md").write_text(card(weights), encoding="utf-8")


if __name__ == "__main__":
    main()
