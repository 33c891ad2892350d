"""Figures to Markdown."""

from __future__ import annotations

from typing import Any

from benchmarks.studies.accuracy.report import VIEWS, gain_text, provenance_text

__all__ = ["markdown"]

INTRODUCTION = """# Signals: consensus and a recheck

*Consensus*: what the candidates that non-maximum suppression threw away say of each pose; from the
same inference. *Recheck*: the estimator once more, close up, at the poses whose refined score
is nearest to 1/2; agreement is the largest OKS × √score of what is found there. (Without √score,
and with a threshold of 0.001 as `predict` has it, everybody is found again: the formula with
agreement then had 48.35 in place of 48.73. √score was chosen among four such rules on these very
images; the three others, thresholds from 0.03 to 0.5 among them, gave 48.67 to 48.75.)

AP in points, each image scored by networks that did not see it (five folds by image, mean over fold
seeds), held-out scores pooled and ranked over all images. In brackets 95 % of a paired bootstrap
over images; **≈** marks an interval that holds 0.

*Features without signals* is the recipe of `yolo-pose` (an MLP, 60 altered copies) as it would be
without them. The rows below are one and the same network with signals among its features, which
learned to do without: a third of the copies had none. It is given none, some, all. *Linear, without
copies* learns from the images alone, as whoever trains on their own predictions does at first.

Is that what keeps consensus small? No: trained with it in every copy, the same network gained
+0.15 [-0.09, 0.42] from consensus on all images and +0.27 [-0.14, 0.77] on fully annotated ones;
with consensus as its only signal -0.05 and -0.04 (three fold seeds, 2026-11-22); with the expected
OKS of each of the 17 joints beside the nine statistics -0.02 and -0.16 (one fold seed, 2026-11-23).
What consensus tells, 60 altered copies teach as well.
"""


def markdown(results: dict[str, Any]) -> str:
    """Return the page."""
    parts = [INTRODUCTION, provenance_text(results["made"]), ""]
    for view, table in results["tables"].items():
        parts += [f"## {VIEWS[view]}: {table['images']}", "", _gains(table["rows"]), ""]
    parts += ["## Cost", "", _costs(results["costs"]), ""]
    return "\n".join(parts)


def _gains(rows: list[dict[str, Any]]) -> str:
    over = list(dict.fromkeys(name for row in rows for name in row["gains"]))
    lines = [
        _line(["", "AP", *(f"over {name}" for name in over)]),
        _line(["---"] * (2 + len(over))),
    ]
    for row in rows:
        gains = [gain_text(row["gains"].get(name)) for name in over]
        lines.append(_line([row["name"], f"{row['ap']:.2f}", *gains]))
    return "\n".join(lines)


def _costs(rows: list[dict[str, Any]]) -> str:
    head = ["step", "median ms an image", "mean", "share of the inference", "close-ups an image"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        looks = "" if row["close-ups"] is None else f"{row['close-ups']:.2f}"
        times = [f"{row['median ms']:.2f}", f"{row['mean ms']:.2f}"]
        share = f"{100 * row['share of the inference']:.1f} %"
        lines.append(_line([row["step"], *times, share, looks]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
