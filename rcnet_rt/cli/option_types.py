"""The kinds of options that click does not have, and what their values may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

__all__ = [
    "THRESHOLDS",
    "ImageSize",
    "OptionWithFormerNames",
    "Threshold",
    "Weights",
    "Workers",
]

THRESHOLDS = ("auto", "p95", "guaranteed")


class OptionWithFormerNames(click.Option):
    """An option that also answers to its former names, which the help does not show."""

    def __init__(self, names: Sequence[str], *, former: Sequence[str], **settings: Any) -> None:
        super().__init__([*names, *former], **settings)
        self.former = former

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Describe the option by its present name."""
        accepted = self.opts
        self.opts = [name for name in accepted if name not in self.former]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = accepted


class _AsWritten:
    """A kind whose name the help shows as it is; click would show words to be typed in capitals."""

    name: str

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for a value in the help."""
        return self.name


class Threshold(_AsWritten, click.ParamType[str | float]):
    """One of some words, or a number in [0, 1].

    Args:
        words: `auto`, `p95` and `guaranteed` by default.
    """

    def __init__(self, words: Sequence[str] = THRESHOLDS) -> None:
        self.words = words
        self.name = "|".join([*words, "NUMBER"])

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | float:
        """Return the word or the number; anything else is wrong usage."""
        if value in self.words:
            return str(value)
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not 0 <= number <= 1:
            words = ", ".join(self.words)
            self.fail(f"{value!r} is none of: {words}, a number from 0 to 1", param, ctx)
        return number


class ImageSize(_AsWritten, click.ParamType[tuple[int, int]]):
    """A side in pixels, or HEIGHTxWIDTH."""

    name = "N|HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (height, width); anything else is wrong usage."""
        sides = str(value).split("x")
        if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
            self.fail(f"{value!r} is neither a number of pixels nor HEIGHTxWIDTH", param, ctx)
        return int(sides[0]), int(sides[-1])


class Weights(_AsWritten, click.ParamType[str]):
    """A name or a file of weights; `baseline:NAME` is the same as `formula:NAME`."""

    name = "NAME|FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name by which weights are found."""
        name = str(value)
        if name.startswith("baseline:"):
            return f"formula:{name.removeprefix('baseline:')}"
        return name


class Workers(_AsWritten, click.ParamType[int | None]):
    """`auto`, or a number from 1 on."""

    name = "auto|N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Return the number, None for `auto`; anything else is wrong usage."""
        if value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r} is neither auto nor a number from 1 on", param, ctx)
        return number
