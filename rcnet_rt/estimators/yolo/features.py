"""Features of a YOLO-Pose network for each pose, from the same inference.

ultralytics' own object features, which it makes for its trackers: the maps that enter the head, at
the place that a pose was found from, every map reduced to the channels of the narrowest.
"""

from __future__ import annotations

from typing import Any

__all__ = ["features_of", "watch_features"]


def watch_features(predictor: Any) -> None:
    """Let an ultralytics predictor give its results features from now on, where it can.

    It cannot where the network was exported, or is end-to-end: the poses that are kept
    then do not have the place that they were found at.
    """
    layers = getattr(getattr(predictor.model, "model", None), "model", None)
    if layers is None or getattr(layers[-1], "end2end", False):
        return

    def keep(head: Any, inputs: tuple[Any, ...]) -> None:
        predictor._feats = list(inputs[0])  # the head puts other tensors into the list itself

    layers[-1].register_forward_pre_hook(keep)


def features_of(result: Any) -> Any | None:
    """Return the (N, E) features of the poses of a `Results`, or None where there are none."""
    features = getattr(result, "feats", None)
    return features if features is not None and len(features) > 0 else None
