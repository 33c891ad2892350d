"""Refined scores in a supervision pipeline: one step in the callback of `process_video`.

python examples/supervision_video.py SOURCE TARGET [MODEL]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import supervision as sv
from ultralytics import YOLO

from rcnet_rt import Refiner
from rcnet_rt.integrations.supervision import refine


def main(source: str, target: str, model: str = "yolov8n-pose.pt", **options: Any) -> None:
    """Draw the people of a video whose refined score reaches the weights' own threshold."""
    yolo = YOLO(model, task="pose")
    refiner = Refiner("yolo-pose")
    threshold = refiner.weights.threshold("auto")
    edges = sv.EdgeAnnotator(thickness=2)

    def callback(scene: np.ndarray, _: int) -> np.ndarray:
        # A low threshold: bringing good poses with bad scores back is the point.
        result = yolo.predict(scene, conf=0.05, verbose=False)[0]
        key_points = refine(
            sv.KeyPoints.from_ultralytics(result),
            refiner,
            boxes=result.boxes.xyxy.cpu().numpy(),
            on_error="raw",
        )
        if len(key_points) == 0:
            return scene
        return edges.annotate(scene, key_points[key_points.detection_confidence >= threshold])

    sv.process_video(source_path=source, target_path=target, callback=callback, **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
