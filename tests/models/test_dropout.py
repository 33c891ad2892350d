import pytest
import torch
from torch import nn

from rcnet_rt.models import dropout
from rcnet_rt.models.dropout import Dropout, feed_forward


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_the_share_is_dropped_and_the_mean_stays(share):
    torch.manual_seed(0)
    after = Dropout(share)(torch.ones(1000, 1001))
    dropped = after == 0
    assert float(dropped.float().mean()) == pytest.approx(round(256 * share) / 256, abs=2e-3)
    assert float(after.mean()) == pytest.approx(1, abs=3e-3)
    assert len(after.unique()) == 2


def test_values_are_dropped_independently():
    """All eight bytes of a word, their neighbours and the same place in the next call."""
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(2, 125_000, 8)) == 0).float()
    assert (dropped.mean(dim=(0, 1)) - 0.5).abs().max() < 5e-3
    correlation = torch.corrcoef(dropped.reshape(-1, 16).T) - torch.eye(16)
    assert correlation.abs().max() < 0.02
    again = (Dropout(0.5)(torch.ones(2, 125_000, 8)) == 0).float()
    assert abs(float(torch.corrcoef(torch.stack([dropped, again]).flatten(1))[0, 1])) < 5e-3


def test_the_seed_decides():
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(Dropout(0.3)(torch.ones(50)))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_nothing_is_dropped_outside_of_training():
    values = torch.randn(5, 3)
    assert Dropout(0.3).eval()(values) is values
    assert Dropout(0.0)(values) is values


def test_the_slope_passes_where_the_value_does():
    values = torch.ones(100, requires_grad=True)
    after = Dropout(0.3)(values)
    after.sum().backward()
    assert torch.equal(values.grad, after.detach())


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_feed_forward_equals_autograd(share, monkeypatch):
    torch.manual_seed(0)
    values = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    first, second = nn.Linear(5, 12).double(), nn.Linear(12, 5).double()
    leaves = [values, *first.parameters(), *second.parameters()]
    mask, scale = dropout._mask(torch.empty(12, 7, dtype=torch.float64), share)
    monkeypatch.setattr(dropout, "_mask", lambda *_: (mask, scale))

    plain = second(first(values).relu() * mask.T * scale)
    fast = feed_forward(values, first, second, share)
    torch.testing.assert_close(fast, plain)
    towards = torch.randn(7, 5, dtype=torch.float64)
    expected = torch.autograd.grad(plain, leaves, towards)
    for mine, autograds in zip(torch.autograd.grad(fast, leaves, towards), expected, strict=True):
        torch.testing.assert_close(mine, autograds)
