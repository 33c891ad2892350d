"""Calibration and coverage of joints, held against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcnet_rt.datasets.annotations import load_annotations
from rcnet_rt.datasets.ground_truth import GroundTruth
from rcnet_rt.evaluation.compare import match_entries
from rcnet_rt.evaluation.joints import (
    CHI2_90,
    JointTruth,
    brier_score,
    calibration_error,
    conformal_radius,
    coverage_figures,
    joint_truth,
    squared_distances,
)
from rcnet_rt.poses.skeletons import COCO17
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60)


def plain_error(confidence: list[float], right: list[bool], bins: int) -> float:
    """Put one joint after the other into the bin that it belongs to."""
    count = len(confidence)
    bins = min(bins, count)
    order = sorted(range(count), key=lambda i: confidence[i])
    total = 0.0
    for place in range(bins):
        inside = order[int(place * count / bins) : int((place + 1) * count / bins)]
        gap = 0.0
        for i in inside:
            same = [right[j] for j in range(count) if confidence[j] == confidence[i]]
            gap += confidence[i] - sum(same) / len(same)
        total += abs(gap)
    return total / count


@given(PAIRS, st.integers(1, 20))
def test_calibration_error_equals_a_plain_loop(pairs: list, bins: int) -> None:
    confidence, right = [value / 6 for value, _ in pairs], [hit for _, hit in pairs]
    expected = plain_error(confidence, right, bins)
    assert calibration_error(confidence, right, bins) == pytest.approx(expected, abs=1e-12)
    expected = sum((c - r) ** 2 for c, r in zip(confidence, right, strict=True)) / len(pairs)
    assert brier_score(confidence, right) == pytest.approx(expected)


def test_a_calibrated_confidence_has_a_small_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0, 1, 50_000)
    right = rng.uniform(0, 1, 50_000) < confidence
    assert calibration_error(confidence, right) < 0.01
    assert calibration_error(confidence**2, right) > 0.1


def test_nothing_is_undefined() -> None:
    assert math.isnan(calibration_error([], []))
    assert math.isnan(brier_score([], []))


@pytest.fixture
def ground_truth(tmp_path) -> GroundTruth:
    content = make_content()
    for number, annotation in enumerate(content["annotations"]):
        flags = np.array(annotation["keypoints"][2::3])
        annotation["keypoints"][2::3] = np.where(flags > 0, 1 + number % 2, 0).tolist()
    write_dataset(tmp_path, content)
    path = tmp_path / "annotations" / "person_keypoints_val2017.json"
    return load_annotations(path, "val2017", COCO17)[0]


def test_truth_of_each_joint_equals_a_plain_loop(ground_truth: GroundTruth) -> None:
    entries = make_results(make_content())
    match = match_entries(ground_truth, entries)
    points = np.array([np.reshape(entry["keypoints"], (17, 3))[:, :2] for entry in entries])
    points[0, 3] = np.nan  # was not found
    truth = joint_truth(ground_truth, [entry["image_id"] for entry in entries], points, match)
    assert 0 < truth.right.mean() < 1
    assert truth.occluded.any()
    assert (match.person < 0).any()
    for row, entry in enumerate(entries):
        person, persons = match.person[row], ground_truth.persons[entry["image_id"]]
        for joint, sigma in enumerate(COCO17.sigmas):
            there = person >= 0 and persons.visible[person, joint]
            assert truth.annotated[row, joint] == there
            flags = persons.occluded[person, joint] if person >= 0 else False
            assert truth.occluded[row, joint] == flags
            if not there or np.isnan(points[row, joint, 0]):
                assert truth.similarity[row, joint] == 0
                assert np.isnan(truth.offset[row, joint]).all()
                continue
            x, y = points[row, joint] - persons.keypoints[person, joint]
            area = persons.areas[person]
            expected = math.exp(-(x * x + y * y) / (2 * (2 * sigma) ** 2 * area))
            assert truth.similarity[row, joint] == pytest.approx(expected)
            assert truth.right[row, joint] == (expected >= 0.5)
            assert truth.offset[row, joint] == pytest.approx([x, y])


def some_truth(rng: np.random.Generator, count: int = 4000) -> tuple[JointTruth, np.ndarray]:
    """Two joints whose offsets have the covariance that comes with them."""
    factor = rng.normal(size=(count, 2, 2, 2)) * [[5], [2]] + np.eye(2)
    covariance = factor @ np.swapaxes(factor, 2, 3)
    offset = np.einsum("nkij,nkj->nki", factor, rng.normal(size=(count, 2, 2)))
    truth = JointTruth(
        similarity=np.ones((count, 2)),
        annotated=np.ones((count, 2), bool),
        occluded=rng.uniform(size=(count, 2)) < 0.3,
        offset=offset,
        area=rng.choice([50.0**2, 150.0**2], count),
        oks=rng.uniform(0.4, 1, count),
    )
    return truth, covariance


def test_ellipses_of_the_true_covariance_cover_ninety_percent() -> None:
    truth, covariance = some_truth(np.random.default_rng(0))
    figures = coverage_figures(truth, covariance, np.arange(4000))
    shares = [*figures.by_joint, *figures.groups.values()]
    assert shares == pytest.approx([0.9] * 6, abs=0.03)
    assert figures.joints == 2 * (truth.oks >= 0.5).sum()
    assert 0 < figures.relative_area < 1  # each joint has an ellipse of its own
    smaller = coverage_figures(truth, covariance / 2, np.arange(4000))
    assert max(smaller.by_joint) < 0.8
    assert smaller.relative_area == pytest.approx(figures.relative_area / 2)


def test_coverage_equals_a_plain_loop() -> None:
    truth, covariance = some_truth(np.random.default_rng(1), 60)
    truth.offset[5, 1] = np.nan
    covariance[7, 0] = np.nan
    judged, hits = [], []
    for row in range(60):
        for joint in range(2):
            d, s = truth.offset[row, joint], covariance[row, joint]
            if truth.oks[row] >= 0.5 and not np.isnan([*d, *s.ravel()]).any():
                judged.append((row, joint))
                hits.append(d @ np.linalg.inv(s) @ d <= CHI2_90)
    figures = coverage_figures(truth, covariance, np.arange(60))
    assert figures.joints == len(judged)
    for joint in range(2):
        mine = [hit for hit, place in zip(hits, judged, strict=True) if place[1] == joint]
        assert figures.by_joint[joint] == pytest.approx(np.mean(mine))
    hidden = [hit for hit, place in zip(hits, judged, strict=True) if truth.occluded[place]]
    assert figures.groups["occluded joints"] == pytest.approx(np.mean(hidden))


def test_distances_of_a_singular_covariance() -> None:
    flat = np.array([[1.0, 1.0], [1.0, 1.0]])
    found = squared_distances([[1.0, 0.0], [np.nan, 0.0]], [flat, np.eye(2)])
    assert found[0] == np.inf
    assert np.isnan(found[1])


def test_conformal_radius_holds_for_the_next_joint() -> None:
    rng = np.random.default_rng(2)
    hits = [rng.exponential() <= conformal_radius(rng.exponential(size=29)) for _ in range(4000)]
    assert np.mean(hits) == pytest.approx(0.9, abs=0.02)
    assert conformal_radius([1.0, 2.0]) == math.inf  # too few for 90 %
