"""Weights as one file: ONNX or a TensorRT engine, with features and calibration inside."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal, get_args

from rcnet_rt.errors import OutputError
from rcnet_rt.files.writing import check_output_file, write_atomically
from rcnet_rt.poses import skeletons
from rcnet_rt.refiner import find_weights
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.version import __version__

__all__ = ["FORMATS", "ExportedFile", "Format", "export", "export_metadata", "export_onnx"]

Format = Literal["onnx", "tensorrt-rtx", "tensorrt"]
FORMATS = get_args(Format)
JOINT_NOTE = (
    "; joint_confidence [N,K] in [0, 1]: the probability that each joint is right, 0 for one that "
    "was not found; joint_covariance [N,K,2,2] of its error in image pixels², NaN for one that was "
    "not found"
)


@dataclass(frozen=True)
class ExportedFile:
    """What was written.

    Attributes:
        path: the file.
        weights: name of the weights.
        format: "onnx", "tensorrt-rtx" or "tensorrt".
        inputs: names of the inputs; empty for "tensorrt", whose file holds the network alone.
        compute_capabilities: that an engine for RTX GPUs runs on.
    """

    path: Path
    weights: str
    format: Format
    inputs: tuple[str, ...] = ()
    compute_capabilities: tuple[str, ...] = ()


def export(
    weights: str | Weights,
    out: str | PathLike[str],
    *,
    format: Format = "onnx",  # noqa: A002 -- what the user calls it
    signals: Collection[str] = (),
    compute_capabilities: Sequence[str] = (),
) -> ExportedFile:
    """Write weights as one file, whole or not at all.

    The ONNX file takes the poses of one image as the estimator gives them and returns their refined
    scores. So does an engine of TensorRT for RTX, for 1 to 128 poses; it is built without a GPU,
    runs with the library's version alone, and has a record in FILE.json beside it. The file of
    "tensorrt" holds the network alone, for this GPU and these versions.

    Args:
        weights: a shipped name, a path, `Weights`, or "auto".
        out: file to write.
        format: "onnx", "tensorrt-rtx" or "tensorrt".
        signals: "consensus" and "agreement" where they are to be inputs of the ONNX file.
        compute_capabilities: that an engine for RTX GPUs is to run on, such as "8.9"; all that
            TensorRT for RTX has kernels of single precision for, if empty.

    Raises:
        WeightsError: unknown or damaged weights, or a baseline.
        BackendError: TensorRT or a GPU is missing, or a compute capability is not supported.
        OutputError: the file cannot be written, the format is unknown, or it takes no such option.
    """
    if format not in FORMATS:
        raise OutputError(f"unknown format {format!r}; give one of {', '.join(FORMATS)}")
    if compute_capabilities and format != "tensorrt-rtx":
        raise OutputError(
            f"format {format} takes no compute capabilities; leave them out, or use tensorrt-rtx"
        )
    if signals and format != "onnx":
        raise OutputError(f"format {format} takes no signals; leave them out, or use onnx")
    out = Path(out)
    check_output_file(out)
    chosen = find_weights(weights) if isinstance(weights, str) else weights
    if format == "tensorrt":
        from rcnet_rt.backends.tensorrt.torch_tensorrt import save_engine

        save_engine(chosen, out)
        return ExportedFile(out, chosen.name, format)
    if format == "tensorrt-rtx":
        from rcnet_rt.backends.tensorrt.native import export_engine

        record = export_engine(chosen, out, compute_capabilities)
        return ExportedFile(out, chosen.name, format, tuple(record.inputs), record.capabilities)
    return ExportedFile(out, chosen.name, format, export_onnx(chosen, out, signals))


def export_onnx(weights: Weights, path: Path, signals: Collection[str] = ()) -> tuple[str, ...]:
    """Write the weights as an ONNX file, whole or not at all, and return the names of its inputs.

    Its scores are those of `refine`, to 1e-5. Of the signals that weights may use, only those
    named, "consensus" or "agreement", become inputs.

    Raises:
        WeightsError: the weights are a baseline.
        OutputError: the folder is missing or cannot be written.
    """
    from rcnet_rt.backends.onnx_graph import exported_graph

    model = exported_graph(weights, export_metadata(weights), signals)
    write_atomically(path, model.SerializeToString())
    return tuple(value.name for value in model.graph.input)


def export_metadata(weights: Weights) -> dict[str, str]:
    """Return the metadata of an ONNX file: what it was made from and how to call it."""
    weights.network_config()
    assert weights.skeleton is not None
    return {
        "rcnet_rt": __version__,
        "weights": weights.name,
        "estimator": weights.family,
        "score_convention": weights.score_convention,
        "skeleton": weights.skeleton,
        "keypoints": ",".join(skeletons.get(weights.skeleton).keypoints),
        "threshold": str(weights.threshold("auto")),
        "inputs": "keypoints [N,K,2] and boxes [N,4] (x1, y1, x2, y2) in image pixels, scores [N] "
        "and keypoint_scores [N,K] as the estimator gives them; all poses of one image in a call",
        "nan": "keypoints: the joint was not found; anything else: not known. A pose whose own "
        "score is NaN gets 0; one with an infinite number its own score brought into [0, 1]",
        "output": "refined_scores [N] in [0, 1]: the expected OKS of each pose"
        + (JOINT_NOTE if weights.joints is not None else ""),
    }
