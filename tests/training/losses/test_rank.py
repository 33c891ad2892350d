import pytest
import torch

from rcnet_rt.training.losses.pointwise import absolute_error
from rcnet_rt.training.losses.rank import pair_loss, rank_loss


def paper_g(delta, better, c):
    """Eq. 9 case by case; `better` is +1 where the first pose is the better one."""
    if better > 0:
        if delta >= 0:
            return 0.5 * (delta - c) ** 2 + 0.5 * delta**2
        return 0.5 * (delta - c) ** 2 - 0.5 * delta**2
    if delta >= 0:
        return 0.5 * (delta + c) ** 2 - 0.5 * delta**2
    return 0.5 * (delta + c) ** 2 + 0.5 * delta**2


def naive(scores, targets, weights, margin):
    total = pairs = 0.0
    for i in range(len(scores)):
        for j in range(i + 1, len(scores)):
            if targets[i] != targets[j]:
                better = 1 if targets[i] > targets[j] else -1
                weight = weights[i] * weights[j]
                total += weight * paper_g(scores[i] - scores[j], better, 2 * margin)
                pairs += weight
    error = sum(w * abs(t - s) for s, t, w in zip(scores, targets, weights, strict=True))
    return error / sum(weights) + (total / pairs if pairs else 0.0)


def batch(count=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores, targets, weights = torch.rand(3, count, generator=generator, dtype=torch.float64)
    targets[::3] = 0.0
    return scores, targets, weights


@pytest.mark.parametrize("margin", [0.3, 0.5, 0.7, 1.0])
def test_it_equals_a_naive_double_loop(margin):
    scores, targets, weights = batch()
    expected = naive(scores.tolist(), targets.tolist(), weights.tolist(), margin)
    assert float(rank_loss(scores, targets, weights, margin)) == pytest.approx(expected, abs=1e-6)


def test_gradients_are_those_of_the_formula():
    scores, targets, weights = batch()
    scores.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda s: rank_loss(s, targets, weights), scores)


def test_values_of_the_pair_term():
    targets, ones = torch.tensor([1.0, 0.0]), torch.ones(2)
    for difference, value in [(-1.0, 1.5), (0.0, 0.5), (0.5, 0.25), (1.0, 0.5)]:
        scores = torch.tensor([difference, 0.0])
        assert float(pair_loss(scores, targets, ones)) == pytest.approx(value)


def test_the_best_scores_of_the_pair_term_are_evenly_spaced():
    targets = torch.linspace(0, 1, 6, dtype=torch.float64)
    scores = (0.5 + 0.01 * torch.randn(6, dtype=torch.float64)).requires_grad_(True)
    optimizer = torch.optim.LBFGS([scores], max_iter=200)

    def closure():
        optimizer.zero_grad()
        loss = pair_loss(scores, targets, torch.ones(6, dtype=torch.float64))
        loss.backward()
        return loss

    optimizer.step(closure)
    steps = scores.detach().diff()
    assert steps.tolist() == pytest.approx([1 / 6] * 5, abs=1e-3)


def test_ties_and_single_poses_have_no_pairs():
    ones = torch.ones(3)
    assert float(pair_loss(torch.rand(3), ones, ones)) == 0.0
    single = torch.tensor([0.3], requires_grad=True)
    rank_loss(single, torch.tensor([0.8])).backward()
    assert single.grad.item() == pytest.approx(-1.0)


def test_a_batch_without_weight_gives_zero_and_no_nan():
    scores = torch.rand(4, requires_grad=True)
    loss = rank_loss(scores, torch.rand(4), torch.zeros(4))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.isfinite(scores.grad).all()


def test_weight_zero_takes_a_pose_out():
    scores, targets, _ = batch(5)
    weights = torch.tensor([1.0, 1, 1, 1, 0], dtype=torch.float64)
    some = rank_loss(scores[:4], targets[:4])
    assert float(rank_loss(scores, targets, weights)) == pytest.approx(float(some))
    assert float(absolute_error(scores, targets, weights)) == pytest.approx(
        float((scores - targets)[:4].abs().mean())
    )
