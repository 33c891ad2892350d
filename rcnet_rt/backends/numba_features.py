"""The features of `rescoring.features` for a compiled function on a CPU, one pose at a time."""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

from math import log, sqrt

import numpy as np

from rcnet_rt.backends.numba_cache import between, jit
from rcnet_rt.poses.boxes import MIN_AREA
from rcnet_rt.poses.fields import CONSENSUS
from rcnet_rt.rescoring.constants import (
    CLIP,
    CONFIDENT,
    EQUAL,
    MIN_AGREEMENT,
    MIN_CONFIDENCE,
    MIN_SIDE,
    MIN_UNIT,
    TORSO_OF_SIZE,
    UNKNOWN_CORRELATION,
)
from rcnet_rt.rescoring.joint_correlation import unexplained_share

__all__ = ["FEATURES", "features_of", "standardise"]

FEATURES = {  # each holds those before it
    "confidence": 0,
    "dekr": 1,
    "paper": 2,
    "paper+visual": 2,
    "full": 3,
    "full+visual": 3,
    "signals": 4,
}
CONFIDENCE, PAPER, FULL, SIGNALS = (
    FEATURES[name] for name in ("confidence", "paper", "full", "signals")
)
STATISTICS = len(CONSENSUS)
UNEXPLAINED_SHARE = unexplained_share(UNKNOWN_CORRELATION)


@jit
def _dekr(rules, points, found, confidence, diagonal, area, row):
    """Write DEKR's features and return the unit length."""
    links, unit, count = len(rules.links), 0.0, 0
    for link in range(links):
        a, b = rules.links[link, 0], rules.links[link, 1]
        known = found[a] and found[b]
        dx = points[a, 0] - points[b, 0] if known else 0.0
        dy = points[a, 1] - points[b, 1] if known else 0.0
        length = sqrt(dx * dx + dy * dy)
        row[2 * link], row[2 * link + 1], row[2 * links + link] = dx, dy, length
        times = (link == rules.unit[0]) + (link == rules.unit[1])
        unit += times * length
        count += times * known
    unit = unit / count if count else TORSO_OF_SIZE * sqrt(area)
    unit = max(unit, MIN_UNIT * diagonal)
    unit = unit if unit > 0 else 1.0
    for column in range(3 * links):
        row[column] /= unit
    for joint in range(len(confidence)):
        row[3 * links + joint] = confidence[joint]
    return unit


@jit
def _joint_statistics(found, confidence, row):
    """Write the columns of `features.EXTRAS` from "joints" to "mean log confidence"."""
    joints, number, confident, total, lowest, logs = len(confidence), 0, 0, 0.0, 1.0, 0.0
    for joint in range(joints):
        if found[joint]:
            number += 1
            confident += confidence[joint] > CONFIDENT
            total += confidence[joint]
            lowest = min(lowest, confidence[joint])
            logs += log(max(confidence[joint], MIN_CONFIDENCE))
    divisor = max(number, 1)
    mean, squares = total / divisor, 0.0
    for joint in range(joints):
        squares += found[joint] * (confidence[joint] - mean) * (confidence[joint] - mean)
    row[0], row[1], row[2] = number / joints, confident / joints, mean
    row[3], row[4], row[5] = lowest, sqrt(squares / divisor), logs / divisor


@jit
def _company(pose, baseline, corners, areas, image_index, row):
    """Write the columns of `features.EXTRAS` from "overlap" to "gap"."""
    overlap, ahead, same, top = 0.0, 0.0, 0.0, baseline[pose]
    for other in range(len(baseline)):
        if image_index[other] == image_index[pose]:
            same += 1
            top = max(top, baseline[other])
            if baseline[other] > baseline[pose] + EQUAL:
                ahead += 1
                low_x = max(corners[pose, 0], corners[other, 0])
                low_y = max(corners[pose, 1], corners[other, 1])
                width = min(corners[pose, 2], corners[other, 2]) - low_x
                height = min(corners[pose, 3], corners[other, 3]) - low_y
                shared = max(width, 0.0) * max(height, 0.0)
                union = areas[pose] + areas[other] - shared
                overlap = max(overlap, shared / max(union, MIN_AREA))
    row[0], row[1], row[2], row[3] = overlap, log(1 + ahead), log(same), baseline[pose] - top


@jit
def _signals(statistics, agreement, row):
    """Write the columns of `features.SIGNALS`."""
    shown, looked = 1.0, 0.0 if np.isnan(agreement) else 1.0
    for column in range(STATISTICS):
        row[column] = statistics[column]
        if np.isnan(statistics[column]):
            shown = 0.0
    row[STATISTICS], row[STATISTICS + 1], row[STATISTICS + 3] = shown, agreement, looked
    row[STATISTICS + 2] = log(max(agreement, MIN_AGREEMENT)) if looked else np.nan


@jit
def _confidence_features(found, confidence, row):
    """Write the columns of `features.CONFIDENCE`."""
    statistics = np.empty(6)
    _joint_statistics(found, confidence, statistics)
    for column in range(2):
        row[column] = 1 + UNEXPLAINED_SHARE * (statistics[column] - 1)


@jit
def features_of(rules, pose, packed, baseline, areas, image_index, statistics, agreement, row):
    """Write the features of a pose, but not its embedding."""
    points, found, confidence, corners, score = packed
    if rules.features == CONFIDENCE:
        _confidence_features(found[pose], confidence[pose], row)
        return
    width, height = corners[pose, 2] - corners[pose, 0], corners[pose, 3] - corners[pose, 1]
    diagonal = sqrt(width * width + height * height)
    unit = _dekr(rules, points[pose], found[pose], confidence[pose], diagonal, areas[pose], row)
    more = row[3 * len(rules.links) + found.shape[1] :]
    if rules.features >= PAPER:
        more[0] = score[pose]
    if rules.features >= FULL:
        log_width, log_height = log(max(width, MIN_SIDE)), log(max(height, MIN_SIDE))
        size = (log_width + log_height) / 2
        more[1], more[2] = baseline[pose], size
        more[3], more[4] = log_height - log_width, log(unit) - size
        _joint_statistics(found[pose], confidence[pose], more[5:])
        _company(pose, baseline, corners, areas, image_index, more[11:])
    if rules.features >= SIGNALS:
        _signals(statistics[pose], agreement[pose], more[15:])


@jit
def standardise(rules, row, standard):
    """Write the features as the network reads them; an unknown one becomes 0."""
    for column in range(len(row)):
        value = (row[column] - rules.mean[column]) / rules.deviation[column]
        standard[column] = 0.0 if np.isnan(value) else between(value, -CLIP, CLIP)
