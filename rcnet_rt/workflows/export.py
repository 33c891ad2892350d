"""Weights as one ONNX file that holds everything: features, network, calibration, how to use it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rcnet_rt.files.writing import write_atomically
from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.version import __version__

__all__ = ["export_onnx", "export_metadata"]


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
    """Return what a user of the file must know, as its metadata holds it."""
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
        "output": "refined_scores [N] in [0, 1]: the expected OKS of each pose",
    }
