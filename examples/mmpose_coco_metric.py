"""Refine before mmpose's CocoMetric: the same test run, with refined scores in the AP.

In the config of an mmpose model:

    custom_imports = dict(imports=["mmpose_coco_metric"])   # with examples/ in PYTHONPATH
    test_evaluator = dict(type="RefinedCocoMetric", ann_file=..., weights="generic")

Weights that were trained on this model's results (`rcnet-rt train`) gain more than `generic`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmpose.evaluation.metrics import CocoMetric
from mmpose.registry import METRICS

from rcnet_rt import Poses, Refiner, ScoreReference


def refine_predictions(predictions: Sequence[dict[str, Any]], refiner: Refiner) -> None:
    """Replace `bbox_scores` of CocoMetric's predictions by refined scores, in place.

    A top-down model predicts people one by one: those of an image are brought together first. The
    metric's own suppression follows, by the refined scores.
    """
    images: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for prediction in predictions:
        images[prediction["img_id"]].append(prediction)
    poses_of = [_poses(people) for people in images.values()]
    reference = ScoreReference.of(poses_of) if refiner.weights.uses_reference else None
    refined = refiner.batch(poses_of, reference=reference)
    for people, poses in zip(images.values(), refined, strict=True):
        ends = np.cumsum([len(person["keypoints"]) for person in people])[:-1]
        for person, scores in zip(people, np.split(poses.scores, ends), strict=True):
            person["bbox_scores"] = scores


def _poses(people: Sequence[dict[str, Any]]) -> Poses:
    def column(name: str) -> np.ndarray:
        return np.concatenate([np.asarray(person[name]) for person in people])

    return Poses(
        column("keypoints")[..., :2],
        column("bbox_scores"),
        keypoint_scores=column("keypoint_scores"),
    )


@METRICS.register_module()
class RefinedCocoMetric(CocoMetric):  # type: ignore[misc]
    """CocoMetric whose scores are refined; `score_mode` "bbox" takes them as they are."""

    def __init__(self, *args: Any, weights: str = "generic", **options: Any) -> None:
        super().__init__(*args, **{"score_mode": "bbox", **options})
        self._refiner = Refiner(weights)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Refine all predictions, then judge them as ever."""
        # Since mmpose 1.1 each result is a prediction and its ground truth.
        predictions = [each[0] if isinstance(each, tuple) else each for each in results]
        refine_predictions(predictions, self._refiner)
        figures: dict[str, float] = super().compute_metrics(results)
        return figures
