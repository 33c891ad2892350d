"""Pose estimators: anything that turns an image into Poses.

`load` makes one from the value of `--model`; your own needs no registration, only the four members
of `Estimator`.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.imported import imported, imported_family, is_import_path
from rcnet_rt.estimators.protocol import (
    BatchEstimator,
    EmbeddingEstimator,
    Estimator,
    FrameEstimator,
    ParallelEstimator,
)

__all__ = [
    "BatchEstimator",
    "EmbeddingEstimator",
    "Estimator",
    "FrameEstimator",
    "ParallelEstimator",
    "caution",
    "family",
    "load",
]

ALIASES = {"yolo-pose": "yolov8n-pose.pt"}  # the model that the family's weights were measured on
EXPORTED = (".onnx", ".xml")  # run on their own runtime, as OpenVINO folders do
FILE_SUFFIXES = (".pt", ".engine", *EXPORTED)
# Names of other libraries' estimators, and the module here with a function of that name. A model
# of theirs follows a colon: rtmo:lightweight, mmpose:human.
ADAPTERS = {
    "rtmpose": "rtmlib",
    "rtmo": "rtmlib",
    "vitpose": "transformers",
    "keypointrcnn": "torchvision",
    "mmpose": "mmpose",
}
TFLITE = ("movenet", "posenet")  # downloaded, or names before the colon of a .tflite file
UNDERSTOOD = (
    "a YOLO-Pose name such as yolo-pose, yolov8n-pose or yolo11m-pose, the path of a .pt, .onnx or "
    f".engine file or of an OpenVINO folder, {', '.join(ADAPTERS)} (NAME:MODEL for another of its "
    "models), movenet or posenet (movenet:FILE.tflite,DETECTOR for another file or detector), a "
    ".tflite file of MoveNet, PoseNet or YOLO-Pose, module:name of your own, or replay:FILE"
)


def load(
    model: str,
    *,
    floor: float,
    device: str = "auto",
    streams: int = 1,
    threads: int | None = None,
    imgsz: int | tuple[int, int] | None = None,
    half: bool = False,
) -> Estimator:
    """Load the estimator that `model` names.

    Args:
        model: a name, a path, an import path (module:name), or replay:FILE. A `.pt` file is a
            pickle, that is, a program: load only those that you trust.
        floor: poses with a lower raw score are not returned.
        device: "auto", "cpu", "cuda", "cuda:1", …; models in .tflite files run on the CPU.
        streams: how many threads will call it at once; those that can be are `ParallelEstimator`.
        threads: of .onnx, OpenVINO and .tflite models on the CPU, for all streams together; None is
            what their runtime takes.
        imgsz: side, or (height, width), that YOLO-Pose fits images into; None is the model's own.
        half: whether YOLO-Pose computes in half precision.

    Raises:
        EstimatorError: it is unknown, missing, no model of poses, or has another size or precision.
    """
    if (imgsz is not None or half) and not _is_yolo(model):
        raise EstimatorError(
            f"imgsz and half are for YOLO-Pose, and {model} is another estimator; leave them out"
        )
    if model.startswith("replay:"):
        from rcnet_rt.estimators.replay import open_replay

        return open_replay(_existing(model.removeprefix("replay:")))
    adapter, _, which = model.partition(":")
    if adapter in ADAPTERS:
        module = import_module(f"rcnet_rt.estimators.{ADAPTERS[adapter]}")
        estimator: Estimator = getattr(module, adapter)(which, floor=floor, device=device)
        return estimator
    if _is_tflite(model):
        from rcnet_rt.estimators import tflite

        detector = partial(load, device=device, threads=threads)
        return tflite.load(model, floor=floor, load_detector=detector, threads=threads)
    if is_import_path(model):
        return imported(model)
    path = _resolve(model)
    size = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
    if Path(path).suffix.lower() in EXPORTED or Path(path).is_dir():
        from rcnet_rt.estimators.yolo.exported import load_exported

        return load_exported(
            path,
            floor=floor,
            device=device,
            streams=streams,
            threads=threads,
            size=size,
            half=half,
        )
    from rcnet_rt.estimators.ultralytics import UltralyticsEstimator

    return UltralyticsEstimator(path, floor=floor, device=device, imgsz=size, half=half)


def caution(model: str) -> str | None:
    """Return a warning to show before a model is loaded, or None.

    >>> caution("yolo-pose")
    """
    path = Path(model)
    named = path.name == model and _is_pose_name(model)
    if named or path.suffix.lower() != ".pt" or not path.is_file():
        return None
    return (
        f"{model} is a pickle, that is, a program: go on only if you trust where it comes from; "
        "an .onnx file or an OpenVINO folder holds none"
    )


def family(model: str) -> str:
    """Return the name of the weights made for a model, without loading it.

    Raises:
        EstimatorError: it is unknown or missing.

    >>> family("yolo-pose")
    'yolo-pose'
    """
    if model.startswith("replay:"):
        from rcnet_rt.estimators.replay import recorded_family

        return recorded_family(_existing(model.removeprefix("replay:")))
    adapter = model.partition(":")[0]
    if adapter in ADAPTERS:
        return adapter
    if _is_tflite(model):
        from rcnet_rt.estimators import tflite

        return tflite.family(model)
    if is_import_path(model):
        return imported_family(model)
    _resolve(model)
    return "yolo-pose"


def _resolve(model: str) -> str:
    """Return what ultralytics is asked for: a path that exists, or a pose model's file name."""
    path = Path(model)
    if path.is_dir():
        if next(path.glob("*.xml"), None) is None:
            raise EstimatorError(
                f"{model} is a folder without an OpenVINO model (*.xml); give {UNDERSTOOD}"
            )
        return model
    if path.is_file():
        if path.suffix.lower() not in FILE_SUFFIXES:
            raise EstimatorError(f"{model} is not a model that is understood; give {UNDERSTOOD}")
        return model
    if path.name == model and _is_pose_name(ALIASES.get(model, model)):
        name = ALIASES.get(model, model)
        return name if name.endswith(".pt") else f"{name}.pt"
    if path.name != model or path.suffix.lower() in FILE_SUFFIXES:
        raise EstimatorError(f"model {model} does not exist; check the path, or give {UNDERSTOOD}")
    raise EstimatorError(f"unknown model {model!r}; give {UNDERSTOOD}")


def _is_yolo(model: str) -> bool:
    """Return whether a model is one that `_resolve` takes: YOLO-Pose by name or as a file."""
    adapter = model.partition(":")[0]
    others = adapter in ADAPTERS or adapter == "replay" or _is_tflite(model)
    return not (others or is_import_path(model))


def _is_tflite(model: str) -> bool:
    first = model.partition(",")[0]
    return first.partition(":")[0] in TFLITE or Path(first).suffix.lower() == ".tflite"


def _is_pose_name(name: str) -> bool:
    stem = name.removesuffix(".pt")
    return stem.startswith("yolo") and "-pose" in stem and "." not in stem


def _existing(path: str) -> Path:
    if not Path(path).exists():
        raise EstimatorError(
            f"replay: no such file: {path}; give JSON Lines that `run --json` wrote, COCO results, "
            "or an OpenPose folder"
        )
    return Path(path)
