"""What holds for every loss; each is held against the naive one in `naive_losses`."""

import pytest
import torch
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode

from rcnet_rt import WeightsError
from rcnet_rt.evaluation.metrics import ranking_accuracy
from rcnet_rt.training import losses
from rcnet_rt.training.losses import LOSSES, neural_ndcg
from tests.helpers.naive_losses import NAIVE, ap_and_gradient

every = pytest.mark.parametrize("name", LOSSES)


def batch(count=12, seed=0):
    """Logits, targets of which some are equal, and weights of which some are 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, generator=generator, dtype=torch.float64)
    targets, weights = torch.rand(2, count, generator=generator, dtype=torch.float64)
    targets[::3], weights[::2], weights[1::5] = 0.0, 1.0, 0.0
    return logits, targets, weights


def get(name, margin=0.5, positive=0.5):
    return losses.get(name, margin=margin, positive=positive)


@every
@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_naive_one(name, seed):
    logits, targets, weights = batch(seed=seed)
    expected = NAIVE[name](logits.tolist(), targets.tolist(), weights.tolist())
    assert float(get(name)(logits, targets, weights)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [("rank", "margin", 0.0), ("rank", "margin", 0.3), ("rank", "margin", 1.0)]
    + [(name, "positive", value) for name in ("ap", "dr") for value in (0.1, 0.8)],
)
def test_options_reach_the_loss(name, option, value):
    columns = batch()
    expected = NAIVE[name](*(column.tolist() for column in columns), value)
    assert float(get(name, **{option: value})(*columns)) == pytest.approx(expected, abs=1e-9)
    assert LOSSES[name].options == (option,)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "ap"])
def test_gradients_are_those_of_the_value(name):
    logits, targets, weights = batch()
    function = get(name)
    assert torch.autograd.gradcheck(
        lambda x: function(x, targets, weights), logits.requires_grad_(True)
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_ap_is_driven_by_errors(seed):
    logits, targets, weights = batch(20, seed)
    logits.requires_grad_(True)
    (3 * get("ap")(logits, targets, weights)).backward()
    expected = ap_and_gradient(logits.tolist(), targets.tolist(), weights.tolist())[1]
    assert (logits.grad / 3).tolist() == pytest.approx(expected, abs=1e-12)
    assert float(logits.grad.sum()) == pytest.approx(0, abs=1e-12)


@every
def test_a_pose_of_weight_0_is_not_there(name):
    logits, targets, _ = batch(8)
    logits.requires_grad_(True)
    gone = torch.tensor([1.0, 1, 0, 1, 1, 0, 1, 1], dtype=torch.float64)
    kept = gone > 0
    loss = get(name)(logits, targets, gone)
    some = get(name)(logits[kept], targets[kept], gone[kept])
    assert loss.item() == pytest.approx(some.item())
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (gradient[~kept] == 0).all()


@every
@pytest.mark.parametrize(
    ("logits", "targets", "weights"),
    [
        ([0.3], [0.8], [1.0]),
        ([0.3], [0.0], [1.0]),
        ([0.3, -1.0, 2.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
        ([0.3, -1.0, 2.0], [0.9, 0.9, 0.9], [1.0, 1.0, 1.0]),
        ([0.3, 0.3, 0.3], [0.9, 0.2, 0.4], [1.0, 1.0, 1.0]),
        ([0.3, -1.0, 2.0], [0.9, 0.2, 0.4], [0.0, 0.0, 0.0]),
        ([80.0, -80.0, 80.0, -80.0], [0.9, 0.9, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]),
    ],
    ids=["one", "one wrong", "none right", "all equal", "all tied", "no weight", "extreme"],
)
def test_it_stays_finite_where_there_is_nothing_to_rank(name, logits, targets, weights):
    x = torch.tensor(logits, requires_grad=True)
    loss = get(name)(x, torch.tensor(targets), torch.tensor(weights))
    loss.backward()
    assert loss.ndim == 0
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()
    if not any(weights):
        assert (x.grad == 0).all()


@every
def test_going_down_its_gradient_orders_the_poses(name):
    targets = torch.tensor([0.05, 0.95, 0.3, 0.8, 0.1, 0.65])
    start = torch.tensor([0.6, -0.4, 0.2, -0.9, 0.9, 0.1])
    logits = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        get(name)(logits, targets, torch.ones(6)).backward()
        optimizer.step()
    knows_only_right_and_wrong = name in ("ap", "dr")
    goal = (targets >= 0.5).float() if knows_only_right_and_wrong else targets
    # NDCG counts the end of the list for little.
    least = 0.9 if name in ("lambdarank", "approx_ndcg", "neural_ndcg") else 1.0
    assert ranking_accuracy(start, goal) < 0.35
    assert ranking_accuracy(logits.detach(), goal) >= least


def test_sorting_of_a_clear_order_is_a_permutation():
    values = torch.tensor([3.0, -40.0, 20.0, 90.0], dtype=torch.float64)
    matrix = neural_ndcg.neural_sort(values)
    assert torch.allclose(matrix.sum(0), torch.ones(4, dtype=torch.float64))
    assert torch.allclose(matrix @ values, values.sort(descending=True).values, atol=1e-3)


@every
def test_shapes_depend_on_values_where_the_loss_says_so(name):
    with FakeTensorMode():  # tensors without values
        logits, targets, weights = torch.rand(3, 12)
        logits.requires_grad_(True)
        if LOSSES[name].fixed_shapes:
            get(name)(logits, targets, weights).backward()
        else:
            with pytest.raises(DynamicOutputShapeException):
                get(name)(logits, targets, weights)


def test_an_unknown_loss_is_told():
    with pytest.raises(WeightsError, match="unknown loss 'hinge'; known are rank, gaussian"):
        losses.get("hinge")


@pytest.mark.gpu
@every
def test_it_is_the_same_on_cuda(name):
    columns = [column.float() for column in batch(64)]
    here, there = columns[0].clone().requires_grad_(), columns[0].cuda().requires_grad_()
    loss = get(name)(here, *columns[1:])
    far = get(name)(there, *(column.cuda() for column in columns[1:]))
    loss.backward()
    far.backward()
    assert far.item() == pytest.approx(loss.item(), abs=1e-5)
    assert torch.allclose(there.grad.cpu(), here.grad, atol=1e-5)
