"""Trains the `generic` weights and writes their card: `python -m tools.generic_weights`.

Every figure is of a group of estimators that was left out: the network that scored a pose was
trained on the estimators of the other groups, and on other images. Each estimator's scores are used
as they are and under other conventions, since the convention of the next estimator is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.common import data_option
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import ImagePoses, read_results, with_scores
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
from rcnet_rt.training.dataset import RankingSet, join, ranking_set, select, table, with_reference
from rcnet_rt.training.loop import train
from rcnet_rt.training.splits import Split, fold_splits
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


GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "one-stage": ("yolov8n_640", "yolov8n_320", "yolo11n_640", "yolo11n_256"),
        "top-down": ("tinypose", "simplepose", "movenet"),
        "bottom-up": ("posenet", "lightweight-openpose_val2017"),
    }
)
FOLDS = 5
RESAMPLES = 200


@dataclass(frozen=True)
class LeftOut:
    """What refining gains one estimator under one convention, by weights of the other groups."""

    estimator: str
    convention: str
    before: float
    joint_correlation: float
    gains: Mapping[str, Interval]  # by view: all, and one frame by itself


@dataclass(frozen=True, eq=False)
class Known:
    """An estimator under one convention, with its ranking set and the image ids of that."""

    data: LabeledResults
    image_ids: npt.NDArray[np.int64]
    examples: RankingSet

    def on(self, images: Collection[int]) -> RankingSet:
        """Return the ranking set of some images."""
        return select(self.examples, np.flatnonzero(np.isin(self.image_ids, list(images))))


def load(folder: Path, estimator: str) -> LabeledResults:
    """Return an estimator's results with the complete ground truth of their images."""
    inside = folder / "predictions" / f"{estimator}.json.gz"
    file = inside if inside.exists() else inside.parent / "val1540" / inside.name
    entries = read_results(file)
    images = {entry["image_id"] for entry in entries}
    return LabeledResults(load_ground_truth(folder / "coco-val", image_ids=images), entries)


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


def known(data: LabeledResults, recipe: Recipe = RECIPE) -> Known:
    """Return results with their ranking set, scores by their expected rank in them."""
    poses = table(
        data.ground_truth,
        data.poses,
        floor=-np.inf,
        max_poses=recipe.max_poses,
        unmatched_weight=recipe.unmatched_weight,
    )
    referenced = with_reference(poses, data.score_reference)
    skeleton = data.ground_truth.skeleton
    examples = ranking_set(
        referenced, skeleton, recipe.features, recipe.baseline, 1.0, recipe.target
    )
    return Known(data, poses.image_ids, examples)


def fit(parts: Sequence[Known], images: Collection[int], recipe: Recipe = RECIPE) -> Weights:
    """Train on some images of results under all conventions; not calibrated yet."""
    network = train(recipe, join([part.on(images) for part in parts]))
    return Weights(
        name="generic",
        baseline=recipe.baseline,
        skeleton=parts[0].data.ground_truth.skeleton.name,
        features=recipe.features,
        network=network.config,
        tensors={key: t.cpu().numpy().copy() for key, t in network.state_dict().items()},
        family="generic",
        score_convention="any: the higher, the better",
    )


def left_out_scores(
    others: Sequence[Known], left_out: Sequence[LabeledResults], splits: Sequence[Split]
) -> list[dict[bool, Floats]]:
    """Return the scores of results by weights trained on others and on other images.

    By whether each frame is refined by itself, for each of the results.
    """
    found = [{alone: np.zeros(len(data.entries)) for alone in (False, True)} for data in left_out]
    for split in splits:
        weights = fit(others, split.training)
        for data, scores in zip(left_out, found, strict=True):
            for alone, values in scores.items():
                refine_into(values, data, weights, split.held_out, alone)
    return found


def refine_into(
    scores: Floats, data: LabeledResults, weights: Weights, images: Collection[int], alone: bool
) -> None:
    """Write the scores of some images as `rcnet-rt refine` gives them, or each frame by itself."""
    reference = None if alone else data.score_reference
    items = [data.poses[image] for image in images if image in data.poses]
    after = Refiner(weights, backend="torch").batch(
        [item.poses for item in items], reference=reference
    )
    for item, poses in zip(items, after, strict=True):
        scores[item.entries] = poses.scores


def evaluate(
    estimator: str, convention: str, data: LabeledResults, scores: Mapping[bool, Floats]
) -> LeftOut:
    """Evaluate scores by weights that were not trained on these results."""
    precision = data.average_precision
    gains = {
        f"all{', frame by frame' if alone else ''}": precision.bootstrap(
            data.scores, values, resamples=RESAMPLES
        )
        for alone, values in scores.items()
    }
    before = precision.ap(data.scores)
    return LeftOut(estimator, convention, before, data.score_reference.joint_correlation, gains)


def calibrated(
    weights: Weights, held_out: Sequence[tuple[LabeledResults, Mapping[bool, Floats]]]
) -> Weights:
    """Give weights the calibration and thresholds of estimators that were left out."""
    parts = [_counted(data, scores[False]) for data, scores in held_out]
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


def record(left_out: Sequence[LeftOut], images: Collection[int]) -> dict[str, Any]:
    """Return the training record of the weights file; its keys stay as they are."""
    raw = [item for item in left_out if item.convention == "raw"]
    return {
        "version": __version__,
        "recipe": asdict(RECIPE),
        "data": [f"{name}.json.gz" for group in GROUPS.values() for name in group],
        "held_out": "each group of estimators once, by image in 5 folds; the shipped network: none",
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
AP in points, gains with 95 % intervals from a paired bootstrap over images, of an estimator whose
whole group was left out: all its files and conventions together, and the images of the fold. A gain
whose interval contains 0 is noise. Conventions other than raw are computed from the raw results; no
gain is expected there, and no loss is acceptable.

The exponent with which the correction fades ({UNEXPLAINED_POWER}), the joint correlation below
which it fades too ({RELATED}) and the one that is assumed for a frame by itself
({UNKNOWN_CORRELATION}) were chosen on two of these estimators.

Where all joint scores are equal and all joints found, the order is the raw one.

Tried without success, each with whole groups left out: overlap with better poses, rank in the
image, size, shape and links of the pose as features (mean gain 0.10 to 0.21, worst -0.17); mean,
minimum, deviation and mean log of the joint scores (0.22, worst -0.07); all of them (0.12, worst
-0.30); a multilayer perceptron on the same (below 0); score × confidence as the baseline of
one-stage estimators (0.28, worst -0.14). What lifts one group does not carry over to the next.
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
            f"| features | `{weights.features}`; a linear residual |",
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
    """Train, evaluate with each group left out, write the weights and their card."""
    families = {
        group: {name: variants(load(data, name)) for name in names}
        for group, names in GROUPS.items()
    }
    parts = {
        group: [known(results) for family in of_group.values() for results in family.values()]
        for group, of_group in families.items()
    }
    images = {image for some in parts.values() for part in some for image in part.data.poses}
    splits = fold_splits(images, FOLDS)
    left_out: list[LeftOut] = []
    held_out: list[tuple[LabeledResults, Mapping[bool, Floats]]] = []
    for group, of_group in families.items():
        others = [part for name, some in parts.items() if name != group for part in some]
        named = [
            (estimator, convention, results)
            for estimator, family in of_group.items()
            for convention, results in family.items()
        ]
        found = left_out_scores(others, [results for *_, results in named], splits)
        for (estimator, convention, results), scores in zip(named, found, strict=True):
            held_out.append((results, scores))
            left_out.append(evaluate(estimator, convention, results, scores))
            gains = {view: round(100 * g.difference, 2) for view, g in left_out[-1].gains.items()}
            click.echo(f"{estimator}, {convention}: {gains}")
    weights = fit([part for some in parts.values() for part in some], images)
    weights = replace(calibrated(weights, held_out), training=record(left_out, images))
    weights_io.save(weights, out)
    out.with_suffix(".md").write_text(card(weights), encoding="utf-8")


if __name__ == "__main__":
    main()
