"""What the figures say here, in sentences: computed from the numbers, never generic."""

from __future__ import annotations

import math

import numpy as np

from rcnet_rt.evaluation.compare import Comparison
from rcnet_rt.evaluation.precision_recall import RECALLS
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

READ_AT = 0.9  # the precision at which the curves are compared in words
SURE = 0.5  # scores that are looked at in words


def headline(comparison: Comparison) -> str:
    """Say what the new scores are worth, and how certain that is."""
    gain = comparison.gain
    verb = "lifts" if gain.difference > 0 else "lowers"
    text = (
        f"Re-scoring {verb} AP by {abs(100 * gain.difference):.2f} points, from "
        f"{100 * comparison.before.metrics.ap:.2f} to {100 * comparison.after.metrics.ap:.2f}"
    )
    if gain.difference == 0:
        text = f"Re-scoring leaves AP at {100 * comparison.before.metrics.ap:.2f}"
    if gain.low <= 0 <= gain.high:
        return f"{text}; the 95 % interval includes 0, so on these images that is not certain."
    return f"{text}; the 95 % interval does not include 0."


def gain_over_baseline(numbers: Numbers, choice: str) -> str:
    """Say whether a baseline alone would have done; `choice`: how it was chosen."""
    if numbers.baseline is None:
        return ""
    name, gain = numbers.baseline
    ap = numbers.evaluation.all_images.peers[name].metrics.ap
    side = "above" if gain.difference >= 0 else "below"
    return (
        f"The best baseline, {name.replace('_', ' ')}, reaches {100 * ap:.2f} by itself (chosen "
        f"{choice}); the refined scores are "
        f"{abs(100 * gain.difference):.2f} points {side} it, 95 % interval "
        f"{100 * gain.low:+.2f} to {100 * gain.high:+.2f}."
    )


def precision_recall(numbers: Numbers) -> str:
    """Say how many people are found at a fixed precision."""
    parts = []
    for oks in (0.5, 0.75):
        place = int(np.isclose(THRESHOLDS, oks).argmax())
        before, after = (
            _recall_at(curves[place])
            for curves in (numbers.precision.before, numbers.precision.after)
        )
        parts.append(f"{before:.0f} % with raw and {after:.0f} % with refined scores at OKS {oks}")
    return (
        f"Here, at precision {READ_AT}, these shares of the people are found: {'; '.join(parts)}."
    )


def _recall_at(precision: Floats) -> float:
    reached = RECALLS[precision >= READ_AT]
    return float(100 * reached.max(initial=0.0))


def ranking(comparison: Comparison) -> str:
    """Say how many pairs are in the right order."""
    before, after = comparison.before, comparison.after
    return (
        f"Of all pairs of right poses {_arrow(before.ranking_accuracy, after.ranking_accuracy)} "
        "are in the order of their OKS across the data set, and "
        f"{_arrow(before.ranking_accuracy_within_image, after.ranking_accuracy_within_image)} "
        "within an image; 50 % would be chance."
    )


def _arrow(before: float, after: float) -> str:
    if not (math.isfinite(before) and math.isfinite(after)):
        return "none (there are no such pairs)"
    return f"{100 * before:.1f} → {100 * after:.1f} %"


def sparsification(numbers: Numbers) -> str:
    """Say what removing the lower half leaves."""
    curves = numbers.sparsification
    if not len(curves.before.error):
        return "Here no pose is right."
    half = len(curves.before.error) // 2
    values = (curves.before.error[half], curves.after.error[half], curves.after.best[half])
    raw, refined, best = (f"{value:.3f}" for value in values)
    return (
        f"Here, with the lower half of {len(curves.before.error):,} right poses removed, the mean "
        f"error of the rest is {raw} in the raw and {refined} in the refined order; a perfect "
        f"order would leave {best}."
    )


def misranked(comparison: Comparison) -> str:
    """Say whether fewer false positives are on top."""
    before, after = comparison.before.misranked.count, comparison.after.misranked.count
    if before == after:
        return f"The count stays at {before:,}."
    return (
        f"The count {'falls' if after < before else 'rises'} from {before:,} to {after:,}. A false "
        "positive leaves it only by falling below every right pose of its image."
    )


def scatter(numbers: Numbers) -> str:
    """Say how the new score goes with OKS over all poses, compared with the old one."""
    if len(numbers.oks) < 2:
        return ""
    with np.errstate(invalid="ignore", divide="ignore"):
        before, after = (
            float(np.corrcoef(scores, numbers.oks)[0, 1])
            for scores in (numbers.scores.before, numbers.scores.after)
        )
    return (
        f"Here are {len(numbers.oks):,} poses, of which {int(numbers.right.sum()):,} are right at "
        f"OKS 0.5; over all of them the correlation of score and matched OKS is {before:.2f} raw "
        f"and {after:.2f} refined."
    )


def reliability(numbers: Numbers) -> str:
    """Say by how much confident scores are off."""
    parts = []
    for name, scores in (("raw", numbers.scores.before), ("refined", numbers.scores.after)):
        sure = scores >= SURE
        if not sure.any():
            parts.append(f"no {name} score reaches {SURE}")
            continue
        gap = float((np.clip(scores, 0, 1) - numbers.oks)[sure].mean())
        side = "above" if gap > 0 else "below"
        parts.append(
            f"the {int(sure.sum()):,} {name} scores from {SURE} on are {abs(gap):.3f} {side} "
            "the OKS on average"
        )
    outside = "" if numbers.scores.before.max(initial=0) <= 1 else " Raw scores above 1 count as 1."
    return f"Here {' and '.join(parts)}.{outside}"


def error_types(kinds: tuple[ErrorType, ...]) -> str:
    """Say which kind gained and which lost most."""

    def moved(kind: ErrorType) -> float:
        return (kind.outranked.after - kind.outranked.before) * kind.count

    parts = []
    fallen, risen = min(kinds, key=moved), max(kinds, key=moved)
    if moved(fallen) < 0:
        parts.append(f"{_outranked(fallen)}, the largest fall")
    if moved(risen) > 0:
        parts.append(f"{_outranked(risen)}, the largest rise, for the worse")
    return f"Here {'; '.join(parts)}." if parts else "Here nothing moved."


def _outranked(kind: ErrorType) -> str:
    before, after = 100 * kind.outranked.before, 100 * kind.outranked.after
    return (
        f"“{kind.name}” ({kind.count:,}) outranks {after:.1f} % of the right poses instead of "
        f"{before:.1f} %"
    )


def image_change(change: ImageChange) -> str:
    """Say what the new order is worth on one image."""
    before, after = 100 * change.ap.before, 100 * change.ap.after
    people = "1 person" if change.people == 1 else f"{change.people} people"
    return f"AP of this image {before:.1f} → {after:.1f} ({after - before:+.1f}), {people}"
