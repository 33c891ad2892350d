"""Captions that state the results of a report in sentences, computed from its numbers."""

from __future__ import annotations

import math

import numpy as np

from rcnet_rt.evaluation.compare import Comparison
from rcnet_rt.evaluation.metrics import pearson
from rcnet_rt.evaluation.precision_recall import RECALLS
from rcnet_rt.evaluation.report_rows import points
from rcnet_rt.poses.oks import THRESHOLDS
from rcnet_rt.report.numbers import ErrorType, Floats, ImageChange, Numbers

__all__ = [
    "error_types",
    "headline",
    "image_change",
    "misranked",
    "gain_over_baseline",
    "precision_recall",
    "ranking",
    "reliability",
    "scatter",
    "sparsification",
]

READ_AT = 0.9  # precision at which the captions compare the curves
CONFIDENT = 0.5  # scores from which the captions compare the calibration


def headline(comparison: Comparison) -> str:
    """Return the change of AP and whether its interval includes 0."""
    gain = comparison.gain
    if not math.isfinite(gain.difference):
        return "AP is undefined: no annotated person counts on these images."
    verb = "lifts" if gain.difference > 0 else "lowers"
    text = (
        f"Re-scoring {verb} AP by {points(abs(gain.difference))} points, from "
        f"{points(comparison.before.metrics.ap)} to {points(comparison.after.metrics.ap)}"
    )
    if gain.difference == 0:
        text = f"Re-scoring leaves AP at {points(comparison.before.metrics.ap)}"
    if gain.low <= 0 <= gain.high:
        return (
            f"{text}; the 95 % interval includes 0: the change is not significant on these images."
        )
    return f"{text}; the 95 % interval does not include 0."


def gain_over_baseline(numbers: Numbers, choice: str) -> str:
    """Return the gain over the best baseline; `choice` says how that was chosen."""
    if numbers.baseline is None or not math.isfinite(numbers.baseline[1].difference):
        return ""
    name, gain = numbers.baseline
    ap = numbers.evaluation.all_images.baselines[name].metrics.ap
    side = "above" if gain.difference >= 0 else "below"
    return (
        f"The best baseline, {name.replace('_', ' ')}, reaches {points(ap)} by itself (chosen "
        f"{choice}); the refined scores are "
        f"{points(abs(gain.difference))} points {side} it, 95 % interval "
        f"{points(gain.low, '+')} to {points(gain.high, '+')}."
    )


def precision_recall(numbers: Numbers) -> str:
    """Return the recall of both scores at a fixed precision."""
    parts = []
    for oks in (0.5, 0.75):
        place = int(np.isclose(THRESHOLDS, oks).argmax())
        before, after = (
            _recall_at(curves[place])
            for curves in (numbers.precision.before, numbers.precision.after)
        )
        parts.append(f"{before:.0f} % with raw and {after:.0f} % with refined scores at OKS {oks}")
    return f"At precision {READ_AT}, recall is {'; '.join(parts)}."


def _recall_at(precision: Floats) -> float:
    reached = RECALLS[precision >= READ_AT]
    return float(100 * reached.max(initial=0.0))


def ranking(comparison: Comparison) -> str:
    """Return the ranking accuracy of both scores."""
    before, after = comparison.before, comparison.after
    return (
        f"Of all true positive pairs, {_arrow(before.ranking_accuracy, after.ranking_accuracy)} "
        "are ranked in the order of their OKS across the dataset, and "
        f"{_arrow(before.ranking_accuracy_within_image, after.ranking_accuracy_within_image)} "
        "within an image; 50 % is chance level."
    )


def _arrow(before: float, after: float) -> str:
    if not (math.isfinite(before) and math.isfinite(after)):
        return "none (there are no such pairs)"
    return f"{100 * before:.1f} → {100 * after:.1f} %"


def sparsification(numbers: Numbers) -> str:
    """Return the remaining errors after removing the lower half of the poses."""
    curves = numbers.sparsification
    if not len(curves.before.error):
        return "There are no true positives."
    half = len(curves.before.error) // 2
    values = (curves.before.error[half], curves.after.error[half], curves.after.best[half])
    raw, refined, best = (f"{value:.3f}" for value in values)
    return (
        f"With the lower half of {len(curves.before.error):,} true positives removed, the mean "
        f"error of the rest is {raw} by raw and {refined} by refined scores; the optimal "
        f"ranking leaves {best}."
    )


def misranked(comparison: Comparison) -> str:
    """Return how the number of misranked false positives changed."""
    before, after = comparison.before.misranked.count, comparison.after.misranked.count
    if before == after:
        return f"The count stays at {before:,}."
    return (
        f"The count {'falls' if after < before else 'rises'} from {before:,} to {after:,}. A false "
        "positive no longer counts once it ranks below every true positive of its image."
    )


def scatter(numbers: Numbers) -> str:
    """Return the correlations of both scores with OKS over all poses."""
    before, after = (
        pearson(scores, numbers.oks) for scores in (numbers.scores.before, numbers.scores.after)
    )
    if not (math.isfinite(before) and math.isfinite(after)):
        return ""
    return (
        f"{len(numbers.oks):,} poses, {int(numbers.true_positives.sum()):,} of them true positives "
        f"at OKS 0.5; the correlation of score and matched OKS is {before:.2f} raw and {after:.2f} "
        "refined."
    )


def reliability(numbers: Numbers) -> str:
    """Return the mean deviation of confident scores from OKS."""
    parts = []
    for name, scores in (("raw", numbers.scores.before), ("refined", numbers.scores.after)):
        confident = scores >= CONFIDENT
        if not confident.any():
            parts.append(f"no {name} score reaches {CONFIDENT}")
            continue
        gap = float((np.clip(scores, 0, 1) - numbers.oks)[confident].mean())
        side = "above" if gap > 0 else "below"
        parts.append(
            f"the {int(confident.sum()):,} {name} scores of at least {CONFIDENT} are "
            f"{abs(gap):.3f} {side} the OKS on average"
        )
    outside = (
        "" if numbers.scores.before.max(initial=0) <= 1 else " Raw scores above 1 are clipped to 1."
    )
    text = " and ".join(parts)
    return f"{text[0].upper()}{text[1:]}.{outside}"


def error_types(types: tuple[ErrorType, ...]) -> str:
    """Return which error types rose and fell most in the ranking."""

    def moved(item: ErrorType) -> float:
        return (item.outranked.after - item.outranked.before) * item.count

    parts = []
    fallen, risen = min(types, key=moved), max(types, key=moved)
    if moved(fallen) < 0:
        parts.append(f"{_outranked(fallen)}, the largest fall")
    if moved(risen) > 0:
        parts.append(f"{_outranked(risen)}, the largest rise")
    return f"{'; '.join(parts)}." if parts else "No error type moved."


def _outranked(item: ErrorType) -> str:
    before, after = 100 * item.outranked.before, 100 * item.outranked.after
    return (
        f"“{item.name}” ({item.count:,}) outranks {after:.1f} % of the true positives instead of "
        f"{before:.1f} %"
    )


def image_change(change: ImageChange) -> str:
    """Return the change of AP on one image."""
    before, after = 100 * change.ap.before, 100 * change.ap.after
    people = "1 person" if change.people == 1 else f"{change.people} people"
    return f"AP of this image {before:.1f} → {after:.1f} ({after - before:+.1f}), {people}"
