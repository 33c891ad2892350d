"""Training on a GPU: CUDA graphs of steps give what the steps give without."""

from dataclasses import replace

import pytest
import torch

from benchmarks.speed.training import random_set
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring import features
from rcnet_rt.training import loop, recorded_steps
from rcnet_rt.training.config import PRESETS
from rcnet_rt.training.losses import LOSSES

pytestmark = pytest.mark.gpu
SMALL = replace(PRESETS["residual"], epochs=3, poses_per_step=32, warmup_steps=10)


def examples(recipe):
    return random_set(1000, features.get(recipe.features).size(COCO17))


def trained(recipe, **options):
    return loop.train(recipe, examples(recipe), device="cuda", **options)


def largest_difference(network, other):
    pairs = zip(network.parameters(), other.parameters(), strict=True)
    return max(float((one - two).abs().max()) for one, two in pairs)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_as_without_graphs(loss, monkeypatch):
    recipe, losses = replace(SMALL, loss=loss), []
    recorded = trained(recipe, on_epoch=lambda epoch: losses.append(epoch.loss))
    monkeypatch.setattr(loop, "RecordedSteps", lambda step, device: step)
    without = []
    eager = trained(recipe, on_epoch=lambda epoch: without.append(epoch.loss))
    assert losses == pytest.approx(without, abs=1e-4)
    assert largest_difference(recorded, eager) < 1e-3


@pytest.mark.parametrize("preset", PRESETS)
def test_an_interrupted_run_ends_with_the_same_weights(preset, tmp_path):
    recipe = replace(PRESETS[preset], epochs=3, poses_per_step=32)
    whole = trained(recipe)
    path = tmp_path / "checkpoint.safetensors"
    trained(replace(recipe, epochs=2), checkpoint=path)
    assert largest_difference(trained(recipe, checkpoint=path), whole) < 1e-5


def test_steps_of_a_size_are_replayed_from_the_third_on():
    calls = []

    def step(values):
        calls.append(len(values))
        return values.sum()

    recorded = recorded_steps.RecordedSteps(step, "cuda")
    for size in (3, 3, 3, 3, 5):
        assert float(recorded(torch.full((size,), 2.0, device="cuda"))) == 2 * size
    assert calls == [3, 3, 5]
