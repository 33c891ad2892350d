"""`rcnet-rt export`: weights as one file for use without Python."""

from __future__ import annotations

from pathlib import Path

import click

from rcnet_rt.cli.options import debug_option, weights_option
from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.workflows import export as workflow

__all__ = ["export"]


@click.command()
@click.option(
    "--format",
    "file_format",
    type=click.Choice(workflow.FORMATS),
    default="onnx",
    show_default=True,
    help="onnx runs anywhere; tensorrt-rtx on RTX GPUs, built without one; tensorrt on this "
    "machine's kind of GPU only.",
)
@weights_option("What to export: auto, a shipped name or a .safetensors file.")
@click.option(
    "--signals",
    is_flag=True,
    help="With the inputs consensus and agreement, for weights that use them.",
)
@click.option(
    "--compute-capability",
    "capabilities",
    multiple=True,
    metavar="X.Y",
    help="Of a GPU that an engine of tensorrt-rtx is for; may be repeated.  "
    "[default: 8.0, 8.6, 8.9, 12.0, 12.1]",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@debug_option
def export(
    file_format: workflow.Format,
    weights: str,
    signals: bool,
    capabilities: tuple[str, ...],
    out: Path,
) -> None:
    """Write weights as one file with features and calibration inside.

    The ONNX file takes the poses of one image as the estimator gives them and returns their
    refined scores; its metadata says what the inputs are and which threshold suits them. An engine
    of tensorrt-rtx does the same for 1 to 128 poses; a record in FILE.json belongs to it.
    """
    names = SIGNALS if signals else ()
    file = workflow.export(
        weights, out, format=file_format, signals=names, compute_capabilities=capabilities
    )
    if file.inputs:
        click.echo(f"{file.weights} -> {out} ({', '.join(file.inputs)} -> refined_scores)")
        if file.compute_capabilities:
            click.echo(f"for compute capability {', '.join(file.compute_capabilities)}")
    else:
        click.echo(f"{file.weights} -> {out}: its network, for this GPU and these versions only")
