"""`rcnet-rt export`: weights as one file for use without Python."""

from __future__ import annotations

from pathlib import Path

import click

from rcnet_rt.cli.options import debug_option
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.refiner import find_weights
from rcnet_rt.workflows.export import export_onnx

__all__ = ["export"]


@click.command()
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "tensorrt"]),
    default="onnx",
    show_default=True,
    help="onnx runs anywhere; tensorrt on this machine's kind of GPU only.",
)
@click.option(
    "--weights", default="auto", show_default=True, metavar="NAME|FILE", help="What to export."
)
@click.option(
    "--signals",
    is_flag=True,
    help="With the inputs consensus and agreement, for weights that use them.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@debug_option
def export(kind: str, weights: str, signals: bool, out: Path) -> None:
    """Write weights as one file with features and calibration inside.

    The ONNX file takes the poses of one image as the estimator gives them and returns their
    refined scores; its metadata says what the inputs are and which threshold suits them.
    """
    check_output_file(out)
    chosen = find_weights(weights)
    if kind == "tensorrt":
        from rcnet_rt.backends.tensorrt import save_engine

        save_engine(chosen, out)
        click.echo(f"{chosen.name} -> {out}: its network, for this GPU and these versions only")
        return
    inputs = export_onnx(chosen, out, SIGNALS if signals else ())
    click.echo(f"{chosen.name} -> {out} ({', '.join(inputs)} -> refined_scores)")
