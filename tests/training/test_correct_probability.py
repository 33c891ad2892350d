"""The fit of P(correct | score), on simulated images and on real results."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.guarantees import ScoredImages
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring.correct_probability import CorrectProbability, logistic, score_columns
from rcnet_rt.training.correct_probability import fit_correct_probability, reported_poses
from rcnet_rt.workflows.train import load_data

TRUE = np.array([0.9, 1.8, -0.3])


def simulated(seed: int, images: int = 2000, alike: int = 1) -> ScoredImages:
    """Three poses and two people an image; each image is there `alike` times."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.8, 0.8, (images, 3)).repeat(alike, axis=1)
    chance = logistic(score_columns(score.ravel()) @ TRUE).reshape(images, -1)
    correct = (rng.uniform(size=(images, 3)).repeat(alike, axis=1) < chance).ravel()
    return ScoredImages(
        score.ravel(),
        np.where(correct, 0.8, 0.2),
        np.arange(images).repeat(3 * alike),
        np.full(images, 2 * alike),
    )


def fit(*estimators: ScoredImages) -> CorrectProbability:
    learned = fit_correct_probability(estimators)
    assert learned is not None
    return learned


def test_coefficients_and_their_covariance_are_recovered() -> None:
    fits = [fit(simulated(seed)) for seed in range(60)]
    means = np.mean([each.coefficients for each in fits], axis=0)
    np.testing.assert_allclose(means, TRUE, atol=0.08)
    scatter = np.std([each.coefficients for each in fits], axis=0)
    said = np.sqrt(np.mean([np.diag(each.covariance) for each in fits], axis=0))
    np.testing.assert_allclose(said, scatter, rtol=0.3)


def test_poses_of_an_image_are_no_more_than_the_image() -> None:
    once, often = fit(simulated(0)), fit(simulated(0, alike=4))
    np.testing.assert_allclose(once.coefficients, often.coefficients, atol=0.05)
    np.testing.assert_allclose(once.covariance, often.covariance, rtol=0.05)
    assert once.found == often.found


def test_found_and_prior() -> None:
    one, other = simulated(0), simulated(1)
    half = ScoredImages(other.scores, other.oks, other.image, 2 * other.people)
    correct = [(each.oks >= 0.5).sum() for each in (one, half)]
    shares = [correct[0] / 4000, correct[1] / 8000]
    learned = fit(one, half)
    assert learned.found == np.mean(shares)
    assert np.std(shares, ddof=1) < learned.found_deviation < 1.1 * np.std(shares, ddof=1)
    assert learned.prior == sum(correct) / 12_000
    assert learned.images == 2000


def test_a_slope_is_not_negative() -> None:
    images = simulated(0)
    upside_down = ScoredImages(1 - images.scores, images.oks, images.image, images.people)
    learned = fit(upside_down)
    assert learned.coefficients[:2] == (0.0, 0.0)
    assert not np.array(learned.covariance)[:2].any()
    np.testing.assert_allclose(learned([0.1, 0.9]), learned.prior, atol=0.01)


def test_without_right_or_wrong_poses_there_is_none() -> None:
    images = simulated(0, images=10)
    for oks in (np.ones(30), np.zeros(30)):
        same = ScoredImages(images.scores, oks, images.image, images.people)
        assert fit_correct_probability([same]) is None
    nobody = ScoredImages(images.scores, images.oks, images.image, 0 * images.people)
    assert fit_correct_probability([nobody]) is None


def test_poses_below_the_floor_take_nobody(shared_data: Path) -> None:
    file = shared_data / "predictions" / "yolov8n-pose_val2017.json.gz"
    data = load_data(Dataset(shared_data / "coco-val"), [file])
    images = sorted(data.poses)
    entries = np.arange(len(data.entries))
    everything = reported_poses(data, entries, data.scores, images, 0.0)
    reported = reported_poses(data, entries, data.scores, images, 0.05)
    above = [entry for entry in data.entries if entry["score"] >= 0.05]
    alone = LabeledResults(data.ground_truth, above)
    assert len(reported.scores) == (alone.match.weight > 0).sum()
    np.testing.assert_array_equal(reported.oks, alone.match.target[alone.match.weight > 0])
    np.testing.assert_array_equal(reported.people, everything.people)
    correct = [((each.oks >= 0.5) & (each.scores >= 0.05)).sum() for each in (everything, reported)]
    assert correct[0] < correct[1]
