"""The training metadata of a weights file, with held-out figures, and its model card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rcnet_rt.evaluation.compare import Comparison, Evaluation
from rcnet_rt.evaluation.report_rows import formatted, points
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.version import __version__

__all__ = ["MAX_IMAGES_LISTED", "card", "record"]

MAX_IMAGES_LISTED = 5000  # ids of more training images are not stored in the file


_INCOMPLETE = (
    "`all` includes images on which crowds and people without keypoints are not annotated, so that "
    "correct poses of such people count as false positives. `complete` excludes them.",
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
    parts = {"all": evaluation.all_images, "complete": evaluation.complete_images}
    return {
        "version": __version__,
        "recipe": asdict(recipe),
        "data": list(data),
        "held_out": held_out,
        "images": sorted(images) if len(images) <= MAX_IMAGES_LISTED else [],
        "figures": {name: _figures(part) for name, part in parts.items() if part is not None},
        "calibration_error": {name: _finite(value) for name, value in calibration_errors.items()},
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
    errors = [
        f"{name} {formatted(training['calibration_error'][name], '.3f')}"
        for name in ("raw", "refined", "calibrated")
    ]
    thresholds = ", ".join(f"`{name}` {value:.3f}" for name, value in weights.thresholds.items())
    network = weights.network_config()
    lines = [
        f"# {weights.name}",
        "",
        "| | |",
        "| --- | --- |",
        f"| trained on | {', '.join(training['data'])} |",
        f"| held-out images | {training['held_out']} |",
        f"| skeleton | {weights.skeleton} |",
        f"| raw scores | {weights.score_convention} |",
        f"| baseline | `{weights.baseline}` |",
        f"| features | `{weights.features}`, {network.feature_count} |",
        f"| network | {network.architecture}, {network.output} output |",
        f"| floor | raw scores below {weights.floor:g} are not re-scored |",
        f"| thresholds of the refined score | {thresholds} |",
        f"| seed, version | {training['recipe']['seed']}, rcnet-rt {training['version']} |",
        "",
        "AP in points, on images that the scoring network was not trained on; gain with its 95 % "
        "interval from a paired bootstrap over images. The ceiling is the AP of oracle scores "
        "(the matched OKS).",
        "",
        "| images | raw | "
        + " | ".join(_baseline_names(training))
        + " | refined | gain | ceiling | ranking accuracy |",
        "| --- |" + " --- |" * (len(_baseline_names(training)) + 5),
        *(_row(name, figures, training) for name, figures in training["figures"].items()),
        "",
        *(_INCOMPLETE if "complete" in training["figures"] else ()),
        f"Expected calibration error against OKS: {', '.join(errors)} (each half of the held-out "
        "images calibrated on the other half).",
        "",
    ]
    return "\n".join(lines)


def _baseline_names(training: Mapping[str, Any]) -> list[str]:
    scores = training["figures"]["all"]["scores"]
    return [name for name in scores if name not in ("before", "after")]


def _row(name: str, figures: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    scores = figures["scores"]
    order = ["before", *_baseline_names(training), "after"]
    difference, low, high = (points(value, "+") for value in figures["gain"])
    accuracy = [scores[which]["ranking accuracy"] for which in ("before", "after")]
    cells = [
        f"{name}, {figures['images']} with {figures['people']} people",
        *(points(scores[which]["AP"]) for which in order),
        f"{difference} [{low}, {high}]",
        points(figures["ceiling"]),
        " → ".join(formatted(value, ".3f") for value in accuracy),
    ]
    return "| " + " | ".join(cells) + " |"
