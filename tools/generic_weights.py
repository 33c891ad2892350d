"""Trains the `generic` weights and writes their card: `python -m tools.generic_weights`.

Every figure is of an estimator that was left out: the network that scored it was trained on the
others. Each estimator's scores are used as they are and under other conventions, since the
convention of the next estimator is unknown.
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
from benchmarks.studies.accuracy.protocol import EARLIER, load, part_of
from rcnet_rt.datasets.results import ImagePoses, with_scores
from rcnet_rt.evaluation.average_precision import Interval
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.thresholds import best_f1_threshold, precision_threshold
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import calibration, weights_io
from rcnet_rt.rescoring.baselines import EXPECTED_RANK
from rcnet_rt.rescoring.batch import poses_to_batch
from rcnet_rt.rescoring.constants import RELATED, UNEXPLAINED_POWER, UNKNOWN_CORRELATION
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import RankingSet, join, ranking_set, table, with_reference
from rcnet_rt.training.loop import train
from rcnet_rt.version import __version__

__all__ = ["card", "main"]

Floats = npt.NDArray[np.float64]

RECIPE = Recipe(
    architecture="linear",
    features="confidence",
    baseline=EXPECTED_RANK,
    weight_decay=0.5,
    floor=0.0,
)
KNOTS = 40  # of the calibration


def _baseline(name: str) -> Callable[[LabeledResults], Floats]:
    return lambda data: data.baseline_values(name)


def _mean(data: LabeledResults) -> Floats:
    """Return the mean score of all joints, 0 where not found."""
    values = np.full(len(data.entries), -1.0)
    for item in data.poses.values():
        values[item.entries] = poses_to_batch(item.poses).keypoint_scores.mean(axis=1)
    return values


CONVENTIONS: Mapping[str, Callable[[LabeledResults], Floats]] = {
    "raw": lambda data: data.scores,
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
    """What refining gains one estimator under one convention, by weights of the others."""

    estimator: str
    convention: str
    before: float
    joint_correlation: float
    gains: Mapping[str, Interval]  # by view: all, complete, and both one frame by itself


def variants(data: LabeledResults) -> dict[str, LabeledResults]:
    """Return the results under each convention that orders them in a way of its own."""
    found: dict[str, LabeledResults] = {}
    orders: list[npt.NDArray[np.int64]] = []
    known = np.isin(np.arange(len(data.entries)), np.concatenate([p.entries for p in _all(data)]))
    for name, convention in CONVENTIONS.items():
        values = np.where(known, convention(data), 0.0)
        order = np.unique(np.round(values[known], 9), return_inverse=True)[1]
        if np.ptp(order) > 0 and not any(np.array_equal(order, other) for other in orders):
            orders.append(order)
            found[name] = LabeledResults(data.ground_truth, with_scores(data.entries, values))
    return found


def _all(data: LabeledResults) -> list[ImagePoses]:
    return list(data.poses.values())


def examples(data: LabeledResults, recipe: Recipe) -> RankingSet:
    """Return the ranking set of some results, scores by their expected rank in them."""
    poses = table(
        data.ground_truth,
        data.poses,
        floor=-np.inf,
        max_poses=recipe.max_poses,
        unmatched_weight=recipe.unmatched_weight,
    )
    poses = with_reference(poses, data.score_reference)
    skeleton = data.ground_truth.skeleton
    return ranking_set(poses, skeleton, recipe.features, recipe.baseline, 1.0, recipe.target)


def fit(families: Sequence[Mapping[str, LabeledResults]], recipe: Recipe = RECIPE) -> Weights:
    """Train on some estimators under all conventions; not calibrated yet."""
    parts = [data for family in families for data in family.values()]
    network = train(recipe, join([examples(data, recipe) for data in parts]))
    return Weights(
        name="generic",
        baseline=recipe.baseline,
        skeleton=parts[0].ground_truth.skeleton.name,
        features=recipe.features,
        network=network.config,
        tensors={key: t.cpu().numpy().copy() for key, t in network.state_dict().items()},
        family="generic",
        score_convention="any: the higher, the better",
    )


def _unseen(
    known: Mapping[str, LabeledResults], left_out: Mapping[str, LabeledResults]
) -> dict[str, LabeledResults]:
    """Return the results on images that the estimator left out has none on."""
    used = set(left_out["raw"].poses)
    return {name: part_of(data, set(data.poses) - used)[0] for name, data in known.items()}


def refined(data: LabeledResults, weights: Weights, alone: bool = False) -> Floats:
    """Return (E,) scores as `rcnet-rt refine` gives them, or each frame by itself."""
    items = _all(data)
    reference = None if alone else data.score_reference
    scores = np.zeros(len(data.entries))
    after = Refiner(weights, backend="torch").batch(
        [item.poses for item in items], reference=reference
    )
    for item, poses in zip(items, after, strict=True):
        scores[item.entries] = poses.scores
    return scores


def evaluate(estimator: str, convention: str, data: LabeledResults, weights: Weights) -> LeftOut:
    """Evaluate weights on results that they were not trained on."""
    precision = data.average_precision
    views = {"all": None, "complete": precision.complete}
    gains = {
        f"{view}{', frame by frame' if alone else ''}": precision.bootstrap(
            data.scores, scores, images=images
        )
        for alone in (False, True)
        for scores in [refined(data, weights, alone)]
        for view, images in views.items()
    }
    return LeftOut(
        estimator,
        convention,
        precision.ap(data.scores),
        data.score_reference.joint_correlation,
        gains,
    )


def calibrated(weights: Weights, held_out: Sequence[tuple[LabeledResults, Weights]]) -> Weights:
    """Give weights the calibration and thresholds of estimators that were left out."""
    parts = [_counted(data, refined(data, left_out)) for data, left_out in held_out]
    scores, oks = (np.concatenate(column) for column in zip(*parts, strict=True))
    learned = calibration.fit(scores, oks, knots=KNOTS)
    people = sum(
        int((~data.ground_truth.persons[image].ignore).sum())
        for data, _ in held_out
        for image in data.poses
    )
    after = learned(scores)
    points = {
        "auto": best_f1_threshold(after, oks, people),
        "p95": precision_threshold(after, oks, people),
    }
    return replace(
        weights,
        calibration=learned,
        thresholds={name: point.threshold for name, point in points.items() if point is not None},
    )


def _counted(data: LabeledResults, scores: Floats) -> tuple[Floats, Floats]:
    """Return scores and OKS of the poses that count."""
    counted = data.match.weight > 0
    return scores[counted], data.match.target[counted]


def record(
    left_out: Sequence[LeftOut], families: Mapping[str, Mapping[str, LabeledResults]]
) -> dict[str, Any]:
    """Return the training record of the weights file; its keys stay as they are."""
    raw = [item for item in left_out if item.convention == "raw"]
    images = {image for family in families.values() for image in family["raw"].poses}
    return {
        "version": __version__,
        "recipe": asdict(RECIPE),
        "data": [file for name in families for file in EARLIER[name].files],
        "held_out": "each estimator once, under all conventions; the shipped network: none",
        "images": sorted(images),
        "figures": {
            view: {"gain": [float(np.mean([item.gains[view].difference for item in raw]))]}
            for view in raw[0].gains
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


INTRODUCTION = """# generic

For an estimator that has no weights of its own. Raw scores enter by their *expected rank*, the
number of poses an image that score at least this, so that probabilities, sums and logits are
treated alike; a linear correction by the number of joints found, and of joints with a score above
0.2, is added to its logit. Where scores contain the joints' confidence already (their *joint
correlation*, measured in the file without labels), the correction fades out; where they are
unrelated to it, too.

`rcnet-rt refine` and `eval` compare scores over the whole file. In a program, pass a
`ScoreReference.of(poses of earlier frames)`; without one each frame is taken by itself, reference
and joint correlation are not known, and the scores stay close to the raw ones.

"""

EXPLANATION = f"""
AP in points, gains with 95 % intervals from a paired bootstrap over images, of an estimator that
was left out: all its files and conventions together, and its images. `all` includes images whose
crowds and people without keypoints are not annotated; `complete` excludes them. A gain whose
interval contains 0 is noise. Conventions other than raw are computed from the raw results; no gain
is expected there, and no loss is acceptable.

Two estimators are few: the exponent with which the correction fades ({UNEXPLAINED_POWER}), the
joint correlation below which it fades too ({RELATED}) and the one that is assumed for a frame by
itself ({UNKNOWN_CORRELATION}) were chosen on figures like these, which are a little optimistic
therefore.

Where all joint scores are equal and all joints found, the order is the raw one.

Tried without success: size, shape and links of the pose as features (an estimator left out loses
0.3 to 1.1 AP); mean, minimum, deviation and mean log of the joint scores (they differ between
estimators: with these, even YOLO, trained on, gains nothing); a correction that does not fade (up
to -1.5 AP where scores contain a baseline already); raw scores alone in training, or the share of
OKS thresholds as target (no better).
"""


def card(weights: Weights) -> str:
    """Return the model card, in Markdown."""
    training = weights.training
    thresholds = ", ".join(f"`{name}` {value:.3f}" for name, value in weights.thresholds.items())
    views = sorted(training["left_out"][0]["gains"])
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
            f"| left out | scores | joint correlation | AP raw | {' | '.join(views)} |",
            "| --- | --- | --- | --- |" + " --- |" * len(views),
            *(_row(item) for item in training["left_out"]),
            EXPLANATION,
        ]
    )


def _row(item: Mapping[str, Any]) -> str:
    gains = [[100 * value for value in gain] for _, gain in sorted(item["gains"].items())]
    cells = [
        item["estimator"],
        item["convention"],
        f"{item['echo']:.2f}",
        f"{100 * item['before']:.2f}",
        *(f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]" for gain, low, high in gains),
    ]
    return "| " + " | ".join(cells) + " |"


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
    """Train, evaluate with each estimator left out, write the weights and their card."""
    families = {name: variants(load(data, estimator)) for name, estimator in EARLIER.items()}
    left_out: list[LeftOut] = []
    held_out: list[tuple[LabeledResults, Weights]] = []
    for name, family in families.items():
        others = fit([_unseen(known, family) for other, known in families.items() if other != name])
        held_out += [(results, others) for results in family.values()]
        for convention, results in family.items():
            left_out.append(evaluate(name, convention, results, others))
            gains = {view: round(100 * g.difference, 2) for view, g in left_out[-1].gains.items()}
            click.echo(f"{name}, {convention}: {gains}")
    weights = calibrated(fit(list(families.values())), held_out)
    weights = replace(weights, training=record(left_out, families))
    weights_io.save(weights, out)
    out.with_suffix(".md").write_text(card(weights), encoding="utf-8")


if __name__ == "__main__":
    main()
