"""`rcnet-rt convert`: results in one format to another."""

from __future__ import annotations

from pathlib import Path

import click

from rcnet_rt.cli.options import debug_option
from rcnet_rt.datasets.conversion.formats import FORMATS
from rcnet_rt.workflows.convert import convert as convert_results

__all__ = ["convert"]


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source_format",
    type=click.Choice(FORMATS),
    show_default="told by the content",
    help="Format of IN.",
)
@click.option(
    "--to",
    "target_format",
    type=click.Choice(FORMATS),
    show_default="told by the name: .parquet, .jsonl, .json",
    help="Format of OUT; needed where OUT is a folder.",
)
@debug_option
def convert(
    source: Path, target: Path, source_format: str | None, target_format: str | None
) -> None:
    """Convert results: Parquet, JSON Lines, COCO results and OpenPose folders into each other.

    IN may be a folder of Parquet, such as predict writes; OUT appears whole or not at all, and a
    folder must be new. One Parquet file has no place for frames without poses, a folder (--to
    parquet) has. Fields that OUT cannot hold are named.
    """
    done = convert_results(source, target, source_format=source_format, target_format=target_format)
    click.echo(
        f"{done.frames:,} frames, {done.poses:,} poses: {done.source_format} -> "
        f"{done.target_format} -> {done.path}"
    )
    if done.lost:
        click.echo(f"Note: {done.target_format} cannot hold: {', '.join(done.lost)}", err=True)
