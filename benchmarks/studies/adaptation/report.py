"""The page of the study of label-free adaptation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.studies.common import gain_text, provenance_text, read_findings, table

__all__ = ["blocks"]

GAINS = ("label-free", "labeled", "generic", "baseline")
GAIN, VALUE, NUMBER, NEXT = "Gain", "Value and threshold", "Number of images", "What to label next"


def blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    findings = read_findings(Path(__file__).parent)
    rows = results["estimators"]
    yield findings.introduction
    yield f"## {GAIN}"
    yield findings.sections.get(GAIN, "")
    yield table(
        ("estimator", "images", "augmentations", "raw AP", *GAINS, "share of the labeled gain"),
        ([_name(name, row), *_gains(row)] for name, row in rows.items()),
    )
    found = results["criterion"]
    yield (
        "Summed over the estimators that gain more than 0.5 by labels "
        f"({found['labeled']:.2f} points): {100 * found['share']:.0f} %, the worst "
        f"{found['worst']:+.2f}, where an estimator that `adapt` refuses keeps its raw scores. "
        f"Without the refusal: {100 * found['share_without_refusal']:.0f} %, the worst "
        f"{found['worst_without_refusal']:+.2f}."
    )
    yield f"## {VALUE}"
    yield findings.sections.get(VALUE, "")
    names = ("raw", "generic", "label-free", "labeled")
    yield table(
        (
            "estimator",
            *(f"calibration error, {name}" for name in names),
            "F1 at `auto`",
            "F1 at the threshold of labels",
        ),
        (
            [
                _name(name, row),
                *(f"{row['ece'][score]:.3f}" for score in names),
                "refused" if row["refused"] else f"{row['f1']['auto']:.1f}",
                f"{row['f1']['threshold_of_labels']:.1f}",
            ]
            for name, row in rows.items()
        ),
    )
    yield f"## {NUMBER}"
    yield findings.sections.get(NUMBER, "")
    counted = {name: row["by_number"] for name, row in rows.items() if "by_number" in row}
    if counted:
        numbers = [str(each["images"]) for each in next(iter(counted.values()))]
        yield table(
            ("estimator", *(f"{number} images" for number in numbers)),
            (
                [name, *(f"{each['gain']:+.2f} (worst {each['worst']:+.2f})" for each in some)]
                for name, some in counted.items()
            ),
        )
    yield f"## {NEXT}"
    yield findings.sections.get(NEXT, "")
    yield provenance_text(results["made"])


def _name(name: str, row: Mapping[str, Any]) -> str:
    notes = [
        *(["recipe chosen on it"] if row["recipe_chosen_on_it"] else []),
        *(["refused"] if row["refused"] else []),
    ]
    return f"{name} ({', '.join(notes)})" if notes else name


def _gains(row: Mapping[str, Any]) -> list[str]:
    gains = row["gains"]
    share = gains["label-free"]["difference"] / gains["labeled"]["difference"]
    return [
        str(row["images"]),
        str(row["augmentations"]),
        f"{row['raw_ap']:.2f}",
        *(gain_text(gains[name]) for name in GAINS),
        f"{100 * share:.0f} %",
    ]
