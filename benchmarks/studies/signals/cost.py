"""What the signals cost: milliseconds an image, side by side in one run."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.estimators.recheck import Recheck
from rcnet_rt.estimators.ultralytics import UltralyticsEstimator
from rcnet_rt.refiner import Refiner
from rcnet_rt.video.images import read_image
from rcnet_rt.workflows.dataset import find_images

__all__ = ["costs"]

FLOOR = 0.05  # of the estimator's scores, as in `rcnet-rt run`
MAX_RECHECKS = (1, 3, 20)  # an image


def costs(dataset: Dataset, split: str, model: str, images: int = 50) -> list[dict[str, Any]]:
    """Return the time of each step an image, also as a share of the inference."""
    found = find_images(dataset, split, images)
    images = [read_image(path) for path in found.paths.values()]
    estimator = UltralyticsEstimator(model, floor=FLOOR)
    refiner = Refiner("yolo-pose")
    rechecks = {most: Recheck(estimator, refiner, most) for most in MAX_RECHECKS}
    seconds: dict[str, list[float]] = {"inference": [], "consensus": []}
    for image in images:
        start = time.perf_counter()
        result = estimator.result(image)
        between = time.perf_counter()
        estimator.raw.consensus(result, estimator.skeleton.sigmas)
        seconds["inference"].append(between - start)
        seconds["consensus"].append(time.perf_counter() - between)
        for most, recheck in rechecks.items():
            before = recheck.seconds
            recheck.estimate(image)
            seconds.setdefault(_name(most), []).append(recheck.seconds - before)
    crops = {_name(most): recheck.looks / len(images) for most, recheck in rechecks.items()}
    inference = float(np.median(seconds["inference"]))
    return [
        {
            "step": step,
            "median ms": 1000 * float(np.median(values)),
            "mean ms": 1000 * float(np.mean(values)),
            "share of the inference": float(np.median(values)) / inference,
            "crops": crops.get(step),
        }
        for step, values in seconds.items()
    ]


def _name(most: int) -> str:
    return f"recheck at {most}"
