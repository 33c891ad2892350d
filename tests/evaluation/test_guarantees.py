"""Guaranteed thresholds, on distributions whose precision and recall are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rcnet_rt.evaluation.guarantees import (
    Guarantee,
    ScoredImages,
    guaranteed_threshold,
    likelihood_ratio_z,
)
from rcnet_rt.evaluation.thresholds import (
    FALSE_POSITIVES,
    PRECISION,
    RECALL,
    Requirement,
    precision_threshold,
)


def draw(images: int, seed: int) -> ScoredImages:
    """Draw images whose poses have scores uniform in [0, 1] and are correct with that probability.

    On an image all poses share one random number, so that they are right and wrong together. From
    a threshold t on precision is (1 + t) / 2, recall of all people 1 - t², and false positives are
    (1 - t)² an image.
    """
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2, images)
    image = np.repeat(np.arange(images), counts)
    scores = rng.uniform(0, 1, len(image))
    correct = rng.uniform(0, 1, images)[image] < scores
    people = np.bincount(image, weights=correct, minlength=images).astype(np.int64)
    return ScoredImages(scores, np.where(correct, 0.8, 0.1), image, people)


def true_figure(figure: str, threshold: float) -> float:
    if figure == PRECISION:
        return (1 + threshold) / 2
    return 1 - threshold**2 if figure == RECALL else (1 - threshold) ** 2


def keeps(requirement: Requirement, threshold: float) -> bool:
    value = true_figure(requirement.figure, threshold)
    return (
        value <= requirement.value
        if requirement.figure == FALSE_POSITIVES
        else (value >= requirement.value)
    )


@pytest.mark.parametrize(
    ("figure", "value", "size"),
    [(PRECISION, 0.8, 1000), (RECALL, 0.7, 300), (FALSE_POSITIVES, 0.2, 300)],
)
def test_the_promise_is_kept_and_costs_little(figure: str, value: float, size: int) -> None:
    requirement = Requirement(figure, value)
    draws = [draw(size, seed) for seed in range(100)]
    found = [guaranteed_threshold(images, requirement, 0.9) for images in draws]
    thresholds = [item.point.threshold for item in found if item.point is not None]
    assert len(thresholds) > 95
    kept = [keeps(requirement, threshold) for threshold in thresholds]
    assert 0.9 - 3 * math.sqrt(0.09 / 100) <= np.mean(kept) < 1
    perfect = {PRECISION: 2 * value - 1, RECALL: math.sqrt(1 - value)}.get(
        figure, 1 - math.sqrt(value)
    )
    assert abs(np.mean(thresholds) - perfect) < 0.12


def test_a_point_estimate_keeps_it_half_of_the_time() -> None:
    points = [
        precision_threshold(images.scores, images.oks, int(images.people.sum()), 0.8)
        for images in (draw(300, seed) for seed in range(150))
    ]
    requirement = Requirement(PRECISION, 0.8)
    kept = [keeps(requirement, point.threshold) for point in points if point is not None]
    assert 0.2 < np.mean(kept) < 0.75


def test_figures_are_those_of_a_plain_count() -> None:
    images = draw(400, 3)
    for requirement in (
        Requirement(PRECISION, 0.75),
        Requirement(RECALL, 0.8),
        Requirement(FALSE_POSITIVES, 0.3, at_oks=0.75),
    ):
        point = guaranteed_threshold(images, requirement).point
        assert point is not None
        kept = [
            oks >= requirement.at_oks
            for score, oks in zip(images.scores, images.oks, strict=True)
            if score >= point.threshold
        ]
        assert point.kept == len(kept)
        assert point.false_positives == len(kept) - sum(kept)
        assert point.precision == pytest.approx(sum(kept) / len(kept))
        assert point.recall == pytest.approx(sum(kept) / images.people.sum())


@pytest.mark.parametrize("figure", [RECALL, FALSE_POSITIVES])
def test_thresholds_equal_a_plain_search(figure: str) -> None:
    images, requirement = draw(60, 5), Requirement(figure, 0.6)

    def passes(threshold: float) -> bool:
        losses = []
        for number, people in enumerate(images.people):
            here = (images.image == number) & (images.scores >= threshold)
            true = int((here & (images.oks >= 0.5)).sum())
            false = int(here.sum()) - true
            losses.append(0.6 * people - true if figure == RECALL else false - 0.6)
        largest = 0.6 if figure == RECALL else 1.0
        return likelihood_ratio_z(losses, largest) >= 1.6448536

    order = sorted(images.scores, reverse=figure == FALSE_POSITIVES)
    expected = None
    for threshold in order:  # fewer than 1,000 poses: each score is tested
        if not passes(threshold):
            break
        expected = threshold
    point = guaranteed_threshold(images, requirement).point
    assert (point.threshold if point else None) == expected
    assert expected is not None


def test_more_assurance_is_stricter_and_more_images_cost_less() -> None:
    def threshold(images: ScoredImages, assurance: float) -> float:
        point = guaranteed_threshold(images, Requirement(PRECISION, 0.8), assurance).point
        assert point is not None
        return point.threshold

    few, many = draw(1000, 0), draw(8000, 0)
    stricter = [threshold(few, assurance) for assurance in (0.5, 0.8, 0.95, 0.99)]
    assert stricter == sorted(stricter)
    assert stricter[0] < stricter[-1]
    assert 0.6 < threshold(many, 0.95) < threshold(few, 0.95)


def test_too_few_images_are_refused_with_the_number_it_takes() -> None:
    """The number is an estimate from 300 images; with that many most draws give a threshold."""
    requirement = Requirement(PRECISION, 0.9)
    few = [guaranteed_threshold(draw(300, seed), requirement) for seed in range(30)]
    refused = [item for item in few if item.point is None]
    assert len(refused) > 20
    assert "300 images cannot assure precision ≥ 0.9 with probability 0.95: about" in next(
        item.sentence for item in refused if item.images_needed is not None
    )
    needed = int(np.median([i.images_needed for i in refused if i.images_needed is not None]))
    assert 800 < needed < 5000
    again = [guaranteed_threshold(draw(needed, seed), requirement) for seed in range(20)]
    assert sum(item.point is not None for item in again) >= 12


def test_nothing_to_choose_from() -> None:
    nothing = np.zeros(0)
    empty = ScoredImages(nothing, nothing, nothing.astype(int), np.zeros(0, int))
    without_poses = ScoredImages(nothing, nothing, nothing.astype(int), np.ones(50, int))
    wrong = ScoredImages(np.full(50, 0.9), np.zeros(50), np.arange(50), np.ones(50, int))
    for images in (empty, without_poses, wrong):
        for figure in (PRECISION, RECALL):
            found = guaranteed_threshold(images, Requirement(figure, 0.9))
            assert (found.point, found.images_needed) == (None, None)
            assert "lower the requirement" in found.sentence
    one = ScoredImages(np.array([0.9]), np.array([1.0]), np.array([0]), np.array([1]))
    assert guaranteed_threshold(one, Requirement(PRECISION, 0.5)).point is None
    with pytest.raises(ValueError, match=r"assurance must be in \(0, 1\), got 1"):
        guaranteed_threshold(one, Requirement(PRECISION, 0.5), 1)


def test_few_images_without_an_error_prove_little() -> None:
    def found(count: int) -> Guarantee:
        everyone = np.ones(count, int)
        images = ScoredImages(np.full(count, 0.9), np.ones(count), np.arange(count), everyone)
        return guaranteed_threshold(images, Requirement(PRECISION, 0.95))

    assert found(20).point is None
    assert found(400).point is not None


def test_the_ratio_is_the_maximum_over_the_rate() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        losses = rng.choice([-0.2, -0.1, 0.0, 0.8, 1.6], 50, p=[0.4, 0.3, 0.2, 0.08, 0.02])
        every = np.append(losses, 0.8)
        rates = np.linspace(0, 1 / every.max(), 20001)[:-1]
        best = max(np.log1p(-np.outer(rates, every)).sum(1).max(), 0)
        expected = math.sqrt(2 * best) if every.mean() < 0 else 0.0
        assert likelihood_ratio_z(losses, 0.8) == pytest.approx(expected, abs=1e-4)
        assert likelihood_ratio_z(7 * losses, 5.6) == pytest.approx(expected, abs=1e-4)
    assert likelihood_ratio_z([], 1.0) == likelihood_ratio_z([0.0, 1.0], 1.0) == 0.0


def test_images_are_taken_with_their_poses() -> None:
    images = draw(20, 1)
    taken = images.take(np.array([4, 4, 19, 0]))
    assert taken.people.tolist() == images.people[[4, 4, 19, 0]].tolist()
    for position, number in enumerate([4, 4, 19, 0]):
        here, there = taken.image == position, images.image == number
        assert sorted(taken.scores[here]) == sorted(images.scores[there])
        assert sorted(taken.oks[here]) == sorted(images.oks[there])
