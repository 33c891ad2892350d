"""The training metadata of a weights file, with held-out figures, and its model card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rcnet_rt.evaluation.compare import Comparison, Evaluation
from rcnet_rt.evaluation.guarantees import Guarantee
from rcnet_rt.evaluation.report_rows import formatted, points
from rcnet_rt.evaluation.thresholds import PRECISION, Requirement
from rcnet_rt.rescoring.weights import GUARANTEED, Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.joint_card import joint_section
from rcnet_rt.version import __version__

__all__ = ["MAX_IMAGES_LISTED", "JudgedEstimator", "card", "record", "record_estimators"]

MAX_IMAGES_LISTED = 5000  # ids of more training images are not stored in the file
CALIBRATED = ("raw", "refined", "calibrated")  # scores with a calibration error
UNNAMED = "unnamed"  # what a card calls an estimator without a name
ARCHITECTURES = {
    "attention": "RCNet, attention between the poses of an image",
    "mlp": "MLP, without attention between poses",
    "linear": "linear, without attention between poses",
}

_INCOMPLETE = (
    "`all` includes images on which crowds and people without keypoints are not annotated, so that "
    "correct poses of such people count as false positives. `complete` excludes them.",
    "",
)
_LEFT_OUT = (
    "Estimators that were left out were not trained on: their held-out images were scored by "
    "networks that saw neither them nor these images.",
    "",
)


def record(
    recipe: Recipe,
    evaluation: Evaluation,
    *,
    data: Sequence[str],
    held_out: str,
    images: Sequence[int],
    calibration_errors: Mapping[str, float],
) -> dict[str, Any]:
    """Return the `training` metadata of a weights file: plain values, NaN as None.

    Args:
        recipe: of the training.
        evaluation: on held-out images.
        data: names of the training files.
        held_out: description of how images were held out.
        images: ids of the images that the final network was trained on.
        calibration_errors: expected calibration error by score: raw, refined, calibrated.
    """
    judged = JudgedEstimator(data, "", evaluation, calibration_errors)
    return _record(recipe, data, held_out, images) | _judged(judged)


@dataclass(frozen=True, eq=False)
class JudgedEstimator:
    """How weights do on the held-out images of an estimator.

    Attributes:
        data: names of its files.
        score_convention: of its raw scores.
        evaluation: on held-out images.
        calibration_errors: expected calibration error by score: raw, refined, calibrated.
        is_left_out: whether the weights were trained without it.
    """

    data: Sequence[str]
    score_convention: str
    evaluation: Evaluation
    calibration_errors: Mapping[str, float]
    is_left_out: bool = False


def record_estimators(
    recipe: Recipe,
    estimators: Mapping[str, JudgedEstimator],
    *,
    data: Sequence[str],
    held_out: str,
    images: Sequence[int],
) -> dict[str, Any]:
    """Return the `training` metadata of weights for named estimators; see `record`.

    The figures of each are under `estimators`; those left out have `trained` false.
    """
    return _record(recipe, data, held_out, images) | {
        "estimators": {
            name: {
                "trained": not judged.is_left_out,
                "data": list(judged.data),
                "score_convention": judged.score_convention,
                **_judged(judged),
            }
            for name, judged in estimators.items()
        }
    }


def _record(
    recipe: Recipe, data: Sequence[str], held_out: str, images: Sequence[int]
) -> dict[str, Any]:
    return {
        "version": __version__,
        "recipe": asdict(recipe),
        "data": list(data),
        "held_out": held_out,
        "images": sorted(images) if len(images) <= MAX_IMAGES_LISTED else [],
    }


def _judged(judged: JudgedEstimator) -> dict[str, Any]:
    evaluation = judged.evaluation
    parts = {"all": evaluation.all_images, "complete": evaluation.complete_images}
    return {
        "figures": {name: _figures(part) for name, part in parts.items() if part is not None},
        "calibration_error": {
            name: _finite(value) for name, value in judged.calibration_errors.items()
        },
    }


def _figures(part: Comparison) -> dict[str, Any]:
    scores = {"before": part.before, "after": part.after, **part.baselines}
    return {
        "images": part.images,
        "people": part.people,
        "ceiling": _finite(part.ceiling),
        "gain": [_finite(v) for v in (part.gain.difference, part.gain.low, part.gain.high)],
        "scores": {
            name: {
                "AP": _finite(report.metrics.ap),
                "AP50": _finite(report.metrics.ap50),
                "AP75": _finite(report.metrics.ap75),
                "AR": _finite(report.metrics.ar),
                "ranking accuracy": _finite(report.ranking_accuracy),
            }
            for name, report in scores.items()
        },
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def card(weights: Weights) -> str:
    """Return the model card of trained weights in Markdown."""
    training = weights.training
    thresholds = ", ".join(
        f"`{name}` {value:.3f}" for name, value in sorted(weights.thresholds.items())
    )
    network = weights.network_config()
    lines = [
        f"# {weights.name}",
        "",
        "| | |",
        "| --- | --- |",
        f"| trained on | {', '.join(_trained_on(training))} |",
        f"| held-out images | {training['held_out']} |",
        f"| skeleton | {weights.skeleton} |",
        f"| raw scores | {weights.score_convention} |",
        f"| baseline | `{weights.baseline}` |",
        f"| features | `{weights.features}`, {network.feature_count}{_without(training)} |",
        f"| network | {ARCHITECTURES[network.architecture]}; {network.output} output |",
        f"| loss | {_loss(training)} |",
        f"| floor | raw scores below {weights.floor:g} are not re-scored |",
        f"| thresholds of the refined score | {thresholds} |",
        *_guarantee(weights),
        f"| seed, version | {training['recipe']['seed']}, rcnet-rt {training['version']} |",
        "",
        "AP in points, on images that the scoring network was not trained on; gain with its 95 % "
        "interval from a paired bootstrap over images. The ceiling is the AP of oracle scores "
        "(the matched OKS).",
        "",
        *(_by_estimator(training) if "estimators" in training else _of_one(training)),
        "",
        *joint_section(weights.joints),
    ]
    return "\n".join(lines)


def _guarantee(weights: Weights) -> list[str]:
    """Return the row of the guaranteed threshold; none of weights that are older than it."""
    known = weights.training.get("guarantee")
    if known is None:
        return []
    requirement = Requirement(PRECISION, known["precision"], known["at_oks"])
    images, assurance = known["images"], known["assurance"]
    if GUARANTEED in weights.thresholds:
        text = (
            f"{requirement} at OKS {requirement.at_oks:g} with probability {assurance:g}, on "
            f"images like these {images:,}"
        )
    else:
        needed = known["images_needed"]
        text = f"none: {Guarantee(requirement, assurance, images, None, needed).sentence}"
    return [f"| guaranteed threshold | {text} |"]


def _of_one(training: Mapping[str, Any]) -> list[str]:
    """Return the figures of weights for one estimator without a name."""
    errors = [
        f"{name} {formatted(training['calibration_error'][name], '.3f')}" for name in CALIBRATED
    ]
    return [
        "| images | raw | "
        + " | ".join(_baseline_names(training))
        + " | refined | gain | ceiling | ranking accuracy |",
        "| --- |" + " --- |" * (len(_baseline_names(training)) + 5),
        *(_row(name, figures, training) for name, figures in training["figures"].items()),
        "",
        *(_INCOMPLETE if "complete" in training["figures"] else ()),
        f"Expected calibration error against OKS: {', '.join(errors)} (each half of the held-out "
        "images calibrated on the other half).",
    ]


def _trained_on(training: Mapping[str, Any]) -> list[str]:
    """Return the names of the estimators trained on, each with its files."""
    if "estimators" not in training:
        return list(training["data"])
    return [
        f"{name or UNNAMED} ({', '.join(judged['data'])})"
        for name, judged in training["estimators"].items()
        if judged["trained"]
    ]


def _by_estimator(training: Mapping[str, Any]) -> list[str]:
    """Return the figures of weights for named estimators: a row each."""
    estimators = training["estimators"]
    rows = [
        _estimator_row(name, images, figures, judged)
        for name, judged in estimators.items()
        for images, figures in judged["figures"].items()
    ]
    some_complete = any("complete" in judged["figures"] for judged in estimators.values())
    some_left_out = not all(judged["trained"] for judged in estimators.values())
    return [
        "| estimator | raw scores | images | raw | best baseline | refined | gain | ceiling | "
        "ranking accuracy | calibration error |",
        "| --- |" + " --- |" * 9,
        *rows,
        "",
        *(_INCOMPLETE if some_complete else ()),
        *(_LEFT_OUT if some_left_out else ()),
        "Expected calibration error against OKS of the raw, the refined and the calibrated scores "
        "(each half of the held-out images calibrated on the other half, of all estimators trained "
        "on together).",
    ]


def _estimator_row(
    name: str, images: str, figures: Mapping[str, Any], judged: Mapping[str, Any]
) -> str:
    scores = figures["scores"]
    best = [f"{points(scores[each]['AP'])} (`{each}`)" for each in _names(figures)]
    errors = [formatted(judged["calibration_error"][name], ".3f") for name in CALIBRATED]
    cells = [
        (name or UNNAMED) + ("" if judged["trained"] else ", left out"),
        judged["score_convention"],
        _images(images, figures),
        points(scores["before"]["AP"]),
        ", ".join(best),
        points(scores["after"]["AP"]),
        *_last_cells(figures),
        " → ".join(errors),
    ]
    return "| " + " | ".join(cells) + " |"


def _loss(training: Mapping[str, Any]) -> str:
    """Return the loss, whether it is the paper's, and the target if that is not the OKS."""
    name = training["recipe"]["loss"]
    loss = f"`{name}`, " + ("the paper's rank loss" if name == "rank" else "not the paper's")
    if training["recipe"].get("target", "oks") == "oks":
        return loss
    return f"{loss}; target: the share of COCO's OKS thresholds that is reached"


def _without(training: Mapping[str, Any]) -> str:
    """Return the groups of features that the network does not read, in words."""
    groups = training["recipe"].get("without")  # weights made before have no such entry
    return f"; not read: {', '.join(groups)}" if groups else ""


def _baseline_names(training: Mapping[str, Any]) -> list[str]:
    return _names(training["figures"]["all"])


def _names(figures: Mapping[str, Any]) -> list[str]:
    return [name for name in figures["scores"] if name not in ("before", "after")]


def _row(name: str, figures: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    order = ["before", *_baseline_names(training), "after"]
    cells = [
        _images(name, figures),
        *(points(figures["scores"][which]["AP"]) for which in order),
        *_last_cells(figures),
    ]
    return "| " + " | ".join(cells) + " |"


def _images(name: str, figures: Mapping[str, Any]) -> str:
    return f"{name}, {figures['images']} with {figures['people']} people"


def _last_cells(figures: Mapping[str, Any]) -> list[str]:
    """Return gain, ceiling and ranking accuracy."""
    difference, low, high = (points(value, "+") for value in figures["gain"])
    accuracy = [figures["scores"][which]["ranking accuracy"] for which in ("before", "after")]
    return [
        f"{difference} [{low}, {high}]",
        points(figures["ceiling"]),
        " → ".join(formatted(value, ".3f") for value in accuracy),
    ]
