"""The paper's figures, for comparison: COCO val2017, AP in points."""

from __future__ import annotations

from benchmarks.studies.ablations.parts import margin_name

__all__ = ["ABLATED", "LOSSES", "MARGINS", "VISUAL"]

ABLATED = ("HRNet", "ViTPose", "GroupPose", "ED-Pose", "DEKR", "PINet")

# Tables 8 and 10, of which table 4 is an extract (its RankNet column is table 8's LambdaRank).
LOSSES = {
    "raw score": (74.4, 75.8, 72.1, 71.6, 67.1, 67.4),
    "rank": (74.8, 76.2, 72.4, 72.0, 69.0, 69.2),  # table 10: 74.7 and 76.0 for the first two
    "gaussian": (74.6, 75.9, 72.3, 71.9, 68.6, 68.9),  # or gaussian_cubic: it is not said
    "crps": (69.5, 69.8, 62.5, 61.9, 67.9, 68.3),
    "ranknet": (74.6, 73.3, 68.2, 71.2, 68.6, 69.1),
    "lambdarank": (73.4, 74.5, 71.7, 70.6, 67.6, 68.2),
    "approx_ndcg": (72.4, 74.4, 70.0, 68.9, 66.9, 67.7),
    "neural_ndcg": (74.4, 75.6, 71.0, 70.6, 69.0, 69.1),
    "ap": (74.6, 74.7, 61.2, 70.4, 67.7, 68.2),
    "dr": (74.2, 69.2, 62.3, 70.6, 65.1, 67.7),
}

# Table 7.
MARGINS = {
    "raw score": LOSSES["raw score"],
    margin_name(0.0): (61.3, 69.5, 21.3, 68.5, 60.0, 64.3),
    margin_name(0.3): (74.2, 76.1, 71.8, 71.5, 69.0, 68.9),
    margin_name(0.5): (74.8, 76.1, 72.4, 72.0, 69.0, 69.2),
    margin_name(0.7): (74.7, 76.2, 71.9, 71.6, 69.0, 69.1),
    margin_name(1.0): (74.4, 75.8, 71.8, 71.1, 68.9, 69.0),
}

# Table 9, of HRNet-w32: AP, AP medium, AP large, AR. Offline: the estimator is not trained along.
VISUAL = {
    "raw score": (74.4, 70.8, 81.0, 79.8),
    "pose": (74.8, 71.3, 81.1, 79.8),
    "pose and visual, offline": (74.0, 70.7, 80.4, 79.8),
    "pose and visual, online": (74.3, 71.0, 80.7, 79.8),
}
