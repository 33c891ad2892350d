"""The paper's tables 2, 5, 6, 11 and 12: COCO val2017, AP in points."""

from __future__ import annotations

__all__ = ["ACCURACY", "ARCHITECTURES", "CALIBRATION", "MISRANKED", "RANKING_ACCURACY"]

# Table 2, COCO val2017: AP, AP50, AP75, AP medium, AP large, AR; before, after.
ACCURACY = {
    "HRNet": ((74.4, 90.5, 81.9, 70.8, 81.0, 79.8), (74.8, 90.6, 82.3, 71.3, 81.1, 79.8)),
    "ViTPose": ((75.8, 90.7, 83.2, 72.3, 82.6, 81.1), (76.1, 90.7, 83.5, 72.6, 82.8, 81.1)),
    "CID": ((69.9, 88.5, 76.5, 64.0, 78.9, 75.3), (70.3, 88.6, 76.7, 64.4, 79.7, 75.3)),
    "GroupPose": ((72.1, 89.6, 79.1, 67.0, 79.8, 80.0), (72.4, 89.6, 79.3, 67.4, 80.1, 80.0)),
    "ED-Pose": ((71.6, 89.8, 78.6, 66.2, 79.7, 79.3), (72.0, 89.9, 78.7, 66.7, 80.0, 79.3)),
    "LOGO-CAP": ((69.6, 87.5, 75.9, 64.0, 78.0, 73.6), (70.1, 87.7, 76.3, 64.5, 78.9, 73.6)),
    "HigherHRNet": ((67.4, 86.6, 73.3, 61.7, 76.3, 71.8), (68.1, 86.6, 73.8, 62.1, 77.4, 71.8)),
    "SWAHR": ((68.9, 88.0, 74.9, 63.0, 77.4, 73.7), (69.5, 88.0, 75.3, 63.5, 78.7, 73.7)),
    "DEKR": ((67.1, 87.9, 74.1, 61.5, 76.1, 72.9), (69.0, 86.7, 74.8, 62.7, 78.6, 72.9)),
    "PINet": ((67.4, 86.8, 74.0, 62.5, 76.3, 73.4), (69.2, 87.1, 75.2, 63.5, 78.4, 73.4)),
}

# Table 5, in percent: before, after.
RANKING_ACCURACY = {
    "HRNet": (59.12, 72.01),
    "ViTPose": (58.39, 70.27),
    "CID": (58.37, 74.56),
    "GroupPose": (52.00, 65.70),
    "ED-Pose": (53.31, 65.21),
    "LOGO-CAP": (57.49, 76.83),
    "HigherHRNet": (57.21, 75.04),
    "SWAHR": (63.56, 75.97),
    "DEKR": (59.59, 75.85),
    "PINet": (56.04, 77.47),
}

# Table 6: false positives ranked above a true positive, and per true positive; before.
MISRANKED = {
    "HRNet": (1444, 0.139),
    "ViTPose": (1333, 0.159),
    "DEKR": (1565, 0.159),
    "PINet": (2165, 0.218),
}

# Table 11: AP, AP medium, AP large, AR.
ARCHITECTURES = {
    "HRNet": {
        "raw score": (74.4, 70.8, 81.0, 79.8),
        "MLP": (74.5, 71.0, 81.0, 79.8),
        "attention": (74.8, 71.1, 81.1, 79.8),
    },
    "ED-Pose": {
        "raw score": (71.6, 66.2, 79.7, 79.3),
        "MLP": (71.4, 66.4, 79.2, 79.3),
        "attention": (72.0, 66.7, 80.0, 79.3),
    },
    "DEKR": {
        "raw score": (67.1, 61.5, 76.1, 72.9),
        "MLP": (68.3, 62.4, 77.6, 72.9),
        "attention": (68.9, 62.6, 78.6, 72.9),
    },
}

# Table 12: Pearson correlation and AUSE-OKS in percent, each before and after.
CALIBRATION = {
    "HRNet": ((0.414, 0.547), (1.42, 1.31)),
    "ED-Pose": ((0.430, 0.446), (1.98, 1.87)),
    "DEKR": ((0.241, 0.326), (2.61, 1.03)),
}
