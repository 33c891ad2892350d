"""`rcnet-rt predict SOURCES…`: videos and images in parallel, Parquet out."""

from __future__ import annotations

import re
from typing import Any

import click

from rcnet_rt.cli.options import announce
from rcnet_rt.cli.progress import part_bar
from rcnet_rt.workflows.fleet.run import FleetSummary, predict_sources

__all__ = ["Shard", "predict_fleet"]

FAILED = 1  # exit code


class Shard(click.ParamType[tuple[int, int]]):
    """`i/n`: the i-th of n shares, from 1."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return both numbers; anything else is wrong usage."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d+)/(\d+)", str(value))
        number, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= count:
            self.fail(f"{value!r} is no share; expected such as 1/8 … 8/8", param, ctx)
        return number, count


def predict_fleet(sources: tuple[str, ...], model: str, out: str, **options: Any) -> None:
    """Predict, print what was done, and exit with 1 where something failed."""
    announce(model)
    with part_bar() as bar:
        summary = predict_sources(sources, model, out, progress=bar, **options)
    _print(summary)
    if summary.failures:
        click.get_current_context().exit(FAILED)


def _print(summary: FleetSummary) -> None:
    rate = summary.frames / summary.seconds if summary.seconds else 0.0
    before = f"; {summary.complete:,} videos and images were done before"
    click.echo(
        f"{summary.parts:,} parts, {summary.frames:,} frames ({rate:.1f} fps), "
        f"{summary.poses:,} poses -> {summary.out}{before if summary.complete else ''}"
    )
    if summary.failures:
        click.echo(
            f"{len(summary.failures):,} failures: see failed.parquet in {summary.out}", err=True
        )
