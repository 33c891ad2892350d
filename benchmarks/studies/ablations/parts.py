"""The rows of losses (tables 4, 8, 10) and margins (table 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from benchmarks.studies.ablations.settings import SETTINGS, SUMMARIES, setting
from benchmarks.studies.accuracy import scorers
from benchmarks.studies.accuracy.parts import RAW, Part, Row, Subject, references
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.losses import LOSSES

__all__ = ["MARGINS", "PARTS", "margin_name"]

MARGINS = (0.0, 0.3, 0.5, 0.7, 1.0)


def margin_name(margin: float) -> str:
    """Return a margin as rows are called.

    >>> margin_name(1.0)
    'margin 1.0'
    """
    return f"margin {margin:.1f}"


def losses(subject: Subject, name: str) -> list[Row]:
    """Return a setting with each loss."""
    recipe = setting(name, subject.quick)
    return [*references(subject), *(_row(loss, replace(recipe, loss=loss)) for loss in LOSSES)]


def margins(subject: Subject, name: str) -> list[Row]:
    """Return a setting with each margin of the rank loss."""
    recipe = setting(name, subject.quick)
    rows = [_row(margin_name(margin), replace(recipe, margin=margin)) for margin in MARGINS]
    return [*references(subject), *rows]


def _row(name: str, recipe: Recipe) -> Row:
    return Row(name, "folds", partial(scorers.ours, recipe=recipe))


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        f"{part} {name}": Part(SUMMARIES[name], partial(rows, name=name), (RAW, other))
        for part, rows, other in (
            ("losses", losses, "rank"),
            ("margins", margins, margin_name(0.5)),
        )
        for name in SETTINGS
    }
)
