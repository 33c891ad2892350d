from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.optimize import minimize

from rcnet_rt import WeightsError, evidence, weights_file
from rcnet_rt.arrays import logit, sigmoid
from rcnet_rt.consensus import CANDIDATE_OKS, CONSENSUS
from rcnet_rt.evidence import Evidence
from rcnet_rt.packing import pack
from rcnet_rt.poses import Poses
from rcnet_rt.refiner import Refiner
from tests.networks import random_weights

Floats = npt.NDArray[np.float64]
AGREEMENT = Evidence("agreement", (-0.9, 0.8), 1.5)


def known_agreement(values: list[float]) -> Floats:
    count = len(values)
    packed = pack(np.ones((count, 17, 2)), np.ones(count), agreement=np.array(values))
    return np.asarray(evidence.log_oks("agreement", packed))


def test_better_than_usual_rises_worse_falls_unknown_stays() -> None:
    scores = np.full(4, 0.5)
    usual = np.exp(-0.9 + 0.8 * 0.5)
    moved = AGREEMENT.moved(scores, known_agreement([usual, 0.95, 0.35, np.nan]))
    assert moved[0] == pytest.approx(0.5)
    assert moved[1] > 0.5 > moved[2]
    assert moved[3] == scores[3]
    expected = sigmoid(1.5 * (np.log(0.95) - np.log(usual)))
    assert moved[1] == pytest.approx(expected)


def test_far_below_is_all_the_same() -> None:
    moved = AGREEMENT.moved(np.full(3, 0.5), known_agreement([0.3, 0.1, 0.0]))
    assert moved[0] == moved[1] == moved[2]


def test_the_fit_is_the_best_of_its_kind() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.05, 0.95, 400)
    known = np.log(np.clip(0.4 + 0.5 * scores + rng.normal(0, 0.15, 400), 0.3, 1))
    known[::7] = np.nan
    targets = np.clip(scores + 0.5 * np.nan_to_num(known + 0.5) + rng.normal(0, 0.1, 400), 0, 1)
    weights = rng.uniform(0, 1, 400)
    found = evidence.fit("agreement", scores, known, targets, weights)
    assert found is not None
    some = ~np.isnan(known)
    a, b = np.polyfit(scores[some], known[some], 1, w=np.sqrt(weights[some]))[::-1]
    assert found.usual == pytest.approx((a, b))
    news = known[some] - (a + b * scores[some])

    def cross_entropy(weight: Floats) -> float:
        expected = sigmoid(logit(scores[some]) + weight[0] * news)
        right = targets[some] * np.log(expected) + (1 - targets[some]) * np.log(1 - expected)
        return float(-(weights[some] * right).sum() + evidence.RIDGE / 2 * weight[0] ** 2)

    assert found.weight == pytest.approx(minimize(cross_entropy, [0.0]).x[0], rel=1e-4)


def test_what_says_nothing_is_no_evidence() -> None:
    rng = np.random.default_rng(1)
    scores, targets = rng.uniform(0.1, 0.9, 300), rng.uniform(0, 1, 300)
    against = np.log(np.clip(1 - targets, 0.3, 1))
    assert evidence.fit("agreement", scores, against, targets, np.ones(300)) is None
    few = np.where(np.arange(300) < 50, np.log(0.5), np.nan)
    assert evidence.fit("agreement", scores, few, targets, np.ones(300)) is None


@pytest.fixture
def weights() -> weights_file.Weights:
    both = (Evidence("consensus", (-0.3, 0.3), 1.2), AGREEMENT)
    return replace(random_weights("mlp", "full"), evidence=both)


def with_signals(poses: Poses) -> Poses:
    rng = np.random.default_rng(5)
    consensus = np.zeros((len(poses), len(CONSENSUS)))
    consensus[:, CANDIDATE_OKS] = rng.uniform(0.4, 1, len(poses))
    consensus[0] = np.nan
    agreement = rng.uniform(0.2, 1, len(poses))
    agreement[1] = np.nan
    return replace(poses, consensus=consensus, agreement=agreement)


def test_without_signals_weights_are_what_they_were(
    weights: weights_file.Weights, random_poses: Poses
) -> None:
    plain = Refiner(replace(weights, evidence=()))(random_poses)
    np.testing.assert_array_equal(Refiner(weights)(random_poses).scores, plain.scores)
    unknown = replace(
        random_poses, consensus=np.full((5, len(CONSENSUS)), np.nan), agreement=[np.nan] * 5
    )
    np.testing.assert_allclose(Refiner(weights)(unknown).scores, plain.scores, atol=1e-7)


def test_backends_agree_about_evidence(weights: weights_file.Weights, random_poses: Poses) -> None:
    poses = with_signals(random_poses)
    plain = Refiner(weights, backend="torch")(random_poses).scores
    onnx, eager = (Refiner(weights, backend=name)(poses).scores for name in ("onnx", "torch"))
    np.testing.assert_allclose(onnx, eager, atol=1e-6)
    assert np.abs(onnx - plain).min() > 1e-4
    tensors = Refiner(weights, backend="torch").refine(
        torch.tensor(poses.keypoints),
        torch.tensor(poses.scores),
        keypoint_scores=torch.tensor(poses.keypoint_scores),
        boxes=torch.tensor(poses.boxes),
        consensus=torch.tensor(poses.consensus),
        agreement=torch.tensor(poses.agreement),
    )
    np.testing.assert_allclose(tensors.numpy(), eager, atol=1e-5)


def test_evidence_is_kept_in_the_file(weights: weights_file.Weights, tmp_path: Path) -> None:
    weights_file.save(weights, tmp_path / "a.safetensors")
    assert weights_file.load(tmp_path / "a.safetensors").evidence == weights.evidence


def test_evidence_that_is_none() -> None:
    with pytest.raises(WeightsError, match="unknown signal 'rumour'"):
        Evidence("rumour", (0.0, 0.0), 1.0)
    with pytest.raises(WeightsError, match="finite"):
        Evidence("agreement", (0.0, float("nan")), 1.0)
