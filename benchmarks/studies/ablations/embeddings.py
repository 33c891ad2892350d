"""Results with an embedding per pose, from a network that was exported without this output.

The results of YOLOv8n-pose come from an OpenVINO model. Its graph still holds the three feature
maps that enter the head: they become outputs, and ultralytics' own reduction to 64 values per
anchor is taken at the anchor that each pose of the results comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.studies.accuracy.protocol import Estimator
from rcnet_rt.datasets.results import Entry, indices_by_image, read_results, write_results
from rcnet_rt.video.images import read_image

__all__ = ["MODELS", "write_with_embeddings"]

Floats = npt.NDArray[np.float32]

MODELS: Mapping[str, str] = MappingProxyType(
    {"yolo-pose": "yolov8n-pose_int8_openvino_model/yolov8n-pose.xml"}
)
LAYERS = (15, 18, 21)  # whose outputs enter the head of a YOLOv8
SIDE = 640
MAX_DISTANCE = 4.0  # mean pixels of the model's image between a pose and its raw prediction


def write_with_embeddings(data: Path, estimator: Estimator, folder: Path) -> float:
    """Write a data folder in which the estimator's results have embeddings; coco/ is a link.

    Returns:
        The share of poses that were found in the network's raw output; the others have none.
    """
    network = _Network(data / "models" / MODELS[estimator.name])
    (folder / "predictions").mkdir(parents=True)
    (folder / "coco").symlink_to((data / "coco").resolve())
    images = {int(path.stem): path for path in (data / "coco" / "images").glob("*/*.jpg")}
    found = []
    for name in estimator.files:
        entries = read_results(data / "predictions" / f"{name}.json.gz")
        for image, rows in indices_by_image(entries).items():
            some = [entries[row] for row in rows]
            seen = network.embeddings(images[image], some)
            for entry, embedding in zip(some, seen, strict=True):
                found.append(embedding is not None)
                if embedding is not None:
                    entry["embedding"] = embedding.tolist()
        write_results(folder / "predictions" / f"{name}.json.gz", entries)
    return float(np.mean(found))


class _Network:
    """The OpenVINO model with the maps that enter its head as further outputs."""

    def __init__(self, path: Path) -> None:
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
        ends = []
        for layer in LAYERS:
            convolution = nodes[f"__module.model.{layer}.cv2.conv/aten::_convolution/Add"]
            (activation,) = convolution.output(0).get_target_inputs()
            ends.append(activation.get_node().output(0))
        model.add_outputs(ends)
        self._compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})

    def embeddings(self, path: Path, entries: Sequence[Entry]) -> Iterator[Floats | None]:
        """Yield the embedding of each pose of an image, None for one that is not found again."""
        from ultralytics.models.yolo.detect import DetectionPredictor

        image_bgr, gain, corner = _letterboxed(read_image(path))
        raw, *maps = self._compiled(image_bgr).values()
        anchors = [_anchor(entry, raw[0], gain, corner) for entry in entries]
        known = torch.tensor([anchor for anchor in anchors if anchor is not None], dtype=torch.long)
        tensors = [torch.tensor(values) for values in maps]
        seen = iter(DetectionPredictor.get_obj_feats(tensors, [known])[0])
        for anchor in anchors:
            yield None if anchor is None else next(seen).numpy()


def _letterboxed(image_bgr: Any) -> tuple[Floats, float, Floats]:
    """Return the model's input, the scale of the image in it and its upper left corner."""
    from ultralytics.data.augment import LetterBox

    height, width = image_bgr.shape[:2]
    gain = SIDE / max(height, width)
    margin = (SIDE - round(width * gain), SIDE - round(height * gain))
    corner = np.array([round(side / 2 - 0.1) for side in margin], dtype=np.float32)
    square = LetterBox((SIDE, SIDE), auto=False)(image=image_bgr)[..., ::-1]
    planes = np.ascontiguousarray(square.transpose(2, 0, 1)[None], dtype=np.float32)
    return planes / 255, gain, corner


def _anchor(entry: Entry, raw: Floats, gain: float, corner: Floats) -> int | None:
    """Return the column of (56, 8400) raw predictions that a pose of the results is."""
    pose = np.array(entry["keypoints"], dtype=np.float32).reshape(-1, 3)[:, :2] * gain + corner
    joints = raw[5:].reshape(-1, 3, raw.shape[1])[:, :2]
    apart = np.abs(joints - pose[..., None]).mean(axis=(0, 1))
    # Neighbouring anchors predict almost the same pose: the score tells them apart.
    anchor = int((apart + SIDE * np.abs(raw[4] - entry["score"])).argmin())
    return anchor if apart[anchor] < MAX_DISTANCE else None
