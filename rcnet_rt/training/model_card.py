"""What a weights file says of itself: figures on held-out images, and a page to read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rcnet_rt.evaluation.compare import Comparison, Evaluation
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.version import __version__

__all__ = ["MAX_IMAGES_LISTED", "card", "record"]

MAX_IMAGES_LISTED = 5000  # ids of more training images than this are not written into the file


_COMPLETE = (
    "`all` holds images whose crowds and people without keypoints are not annotated; a right "
    "pose of such a person counts as wrong there. `complete` leaves them out.",
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
    """Return what goes into the weights file's `training`: plain values, NaN as None.

    Args:
        recipe: as it was trained.
        evaluation: on held-out images.
        data: names of the files that it was trained on.
        held_out: how images were held out, in words.
        images: ids of the images that the kept network was trained on.
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
        "calibration_error": dict(calibration_errors),
    }


def _figures(part: Comparison) -> dict[str, Any]:
    scores = {"before": part.before, "after": part.after, **part.peers}
    return {
        "images": part.images,
        "people": part.people,
        "ceiling": part.ceiling,
        "gain": [part.gain.difference, part.gain.low, part.gain.high],
        "scores": {
            name: {
                "AP": report.metrics.ap,
                "AP50": report.metrics.ap50,
                "AP75": report.metrics.ap75,
                "AR": report.metrics.ar,
                "ranking accuracy": _finite(report.ranking_accuracy),
            }
            for name, report in scores.items()
        },
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def card(weights: Weights) -> str:
    """Return the model card of trained weights, in Markdown."""
    training = weights.training
    errors = training["calibration_error"]
    thresholds = ", ".join(f"`{name}` {value:.3f}" for name, value in weights.thresholds.items())
    network = weights.network_config()
    lines = [
        f"# {weights.name}",
        "",
        "| | |",
        "| --- | --- |",
        f"| trained on | {', '.join(training['data'])} |",
        f"| held out | {training['held_out']} |",
        f"| skeleton | {weights.skeleton} |",
        f"| raw scores | {weights.score_convention} |",
        f"| baseline | `{weights.baseline}` |",
        f"| features | `{weights.features}`, {network.feature_count} |",
        f"| network | {network.architecture}, {network.output} output |",
        f"| floor | raw scores below {weights.floor:g} are not re-scored |",
        f"| thresholds of the refined score | {thresholds} |",
        f"| seed, version | {training['recipe']['seed']}, rcnet-rt {training['version']} |",
        "",
        "AP in points, on images that the scoring network did not see; the gain with its 95 % "
        "interval from a paired bootstrap over images. The ceiling is the AP of perfect scores.",
        "",
        "| images | raw | "
        + " | ".join(_peer_names(training))
        + " | refined | gain | ceiling | ranking accuracy |",
        "| --- |" + " --- |" * (len(_peer_names(training)) + 5),
        *(_row(name, figures, training) for name, figures in training["figures"].items()),
        "",
        *(_COMPLETE if "complete" in training["figures"] else ()),
        f"Expected calibration error against OKS: raw {errors['raw']:.3f}, refined "
        f"{errors['refined']:.3f}, calibrated {errors['calibrated']:.3f} (each half of the "
        "held-out images calibrated on the other).",
        "",
    ]
    return "\n".join(lines)


def _peer_names(training: Mapping[str, Any]) -> list[str]:
    scores = training["figures"]["all"]["scores"]
    return [name for name in scores if name not in ("before", "after")]


def _row(name: str, figures: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    scores = figures["scores"]
    order = ["before", *_peer_names(training), "after"]
    difference, low, high = (100 * value for value in figures["gain"])
    accuracy = [scores[which]["ranking accuracy"] for which in ("before", "after")]
    cells = [
        f"{name}, {figures['images']} with {figures['people']} people",
        *(f"{100 * scores[which]['AP']:.2f}" for which in order),
        f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]",
        f"{100 * figures['ceiling']:.2f}",
        " → ".join("–" if value is None else f"{value:.3f}" for value in accuracy),
    ]
    return "| " + " | ".join(cells) + " |"
