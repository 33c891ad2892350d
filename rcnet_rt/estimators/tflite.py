"""MoveNet, PoseNet and YOLO-Pose from `.tflite` files, recognised by their outputs.

A single-pose model needs a person detector: any estimator that gives boxes.
"""

from __future__ import annotations

from typing import Protocol

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.downloads import fetch
from rcnet_rt.estimators.litert import LiteRtModel
from rcnet_rt.estimators.movenet import MIN_BOX_SCORE, MoveNet, MoveNetMultiPose
from rcnet_rt.estimators.posenet import PoseNet, check_maps
from rcnet_rt.estimators.protocol import Estimator
from rcnet_rt.estimators.yolo.raw import RawYoloPose
from rcnet_rt.estimators.yolo.units import in_pixels

__all__ = ["NAMES", "family", "load", "model_class"]

DETECTOR = "yolo-pose"
# Names of `--model NAME[:FILE.tflite][,DETECTOR]`, and what the file may be.
NAMES = {"movenet": (MoveNet, MoveNetMultiPose), "posenet": (PoseNet,)}


class LoadDetector(Protocol):
    """Loads an estimator by its name."""

    def __call__(self, model: str, *, floor: float) -> Estimator:
        """Return it."""
        ...


ModelClass = type[MoveNet] | type[MoveNetMultiPose] | type[PoseNet] | type[RawYoloPose]


def load(
    model: str, *, floor: float, load_detector: LoadDetector, threads: int | None = None
) -> Estimator:
    """Load a `.tflite` file, which runs on the CPU, and its detector where it needs one.

    Args:
        model: `FILE.tflite`, `movenet:FILE.tflite,DETECTOR`, `posenet:FILE.tflite`; without a file
            the model is downloaded, without a detector it is YOLO-Pose.
        floor: poses with a lower score are not returned.
        load_detector: loads the detector.
        threads: of the model; None is as many as the machine has, up to 4.

    Raises:
        EstimatorError: LiteRT is not installed; or a file is missing, or no such model.
    """
    network, made, detector = _open(model, threads)
    if made is not MoveNet and detector:
        raise EstimatorError(f"{network.name} needs no detector; leave out ,{detector}")
    if made is MoveNet:
        people = load_detector(detector or DETECTOR, floor=max(floor, MIN_BOX_SCORE))
        return MoveNet(network, people, floor=floor)
    if made is MoveNetMultiPose:
        return MoveNetMultiPose(network, floor=floor)
    if made is PoseNet:
        return PoseNet(network, floor=floor)
    return RawYoloPose(in_pixels(network), floor=floor)


def family(model: str) -> str:
    """Return the name of the weights made for a model; its file is read, and not run.

    Raises:
        EstimatorError: as for `load`.
    """
    return _open(model)[1].family


def model_class(network: LiteRtModel) -> ModelClass:
    """Return the estimator for the outputs of a network.

    Raises:
        EstimatorError: they are of none, or of a PoseNet that is not read.
    """
    shapes = network.output_shapes
    if shapes == ((1, 6, 56),):
        return MoveNetMultiPose
    if network.input_size is not None:
        channels = [shape[-1] for shape in shapes if len(shape) == 4]
        if shapes == ((1, 1, 17, 3),):
            return MoveNet
        if channels in ([17, 34, 64], [17, 34, 32, 32]):
            check_maps(network.name, network.input_size, shapes, network.output_names)
            return PoseNet
        if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][:2] == (1, 56):
            return RawYoloPose
    raise EstimatorError(
        f"{network.name} has outputs of shape {', '.join(map(str, shapes))}; expected those of "
        "MoveNet (1, 1, 17, 3), its multi-pose model (1, 6, 56), YOLO-Pose (1, 56, N), or PoseNet "
        "(heat maps of 17, offsets of 34 and displacements of 64 channels, without its decoder)"
    )


def _open(model: str, threads: int | None = None) -> tuple[LiteRtModel, ModelClass, str]:
    """Return the network, the estimator for it, and the name of the detector or ""."""
    named, _, detector = model.partition(",")
    name, _, path = named.partition(":")
    if name not in NAMES:
        network = LiteRtModel(model, threads)
        return network, model_class(network), ""
    network = LiteRtModel(path or fetch(name), threads)
    made = model_class(network)
    if made not in NAMES[name]:
        raise EstimatorError(f"{network.name} is a model of the family {made.family}, not {name}")
    return network, made, detector
