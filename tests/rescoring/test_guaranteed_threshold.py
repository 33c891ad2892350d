"""The tool that adds a guaranteed threshold to shipped weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring import weights_io
from tests.helpers.networks import random_weights
from tools.guaranteed_threshold import main, with_guarantee


def test_it_is_copied_and_nothing_else_changes(tmp_path: Path) -> None:
    shipped, trained = tmp_path / "shipped.safetensors", tmp_path / "trained.safetensors"
    before = random_weights()
    weights_io.save(before, shipped)
    thresholds = {"auto": 0.4, "p95": 0.7, "guaranteed": 0.75}
    record = {"precision": 0.95, "images": 500}
    again = replace(before, thresholds=thresholds, training={"guarantee": record}, floor=0.5)
    weights_io.save(again, trained)
    result = CliRunner().invoke(main, [str(trained), str(shipped)], catch_exceptions=False)
    assert result.output.strip().endswith("guaranteed 0.7500")
    after = weights_io.load(shipped)
    assert after.thresholds == thresholds
    assert after.threshold("guaranteed") == 0.75
    assert after.training == {**before.training, "guarantee": record}
    assert after.floor == before.floor
    assert all((after.tensors[name] == tensor).all() for name, tensor in before.tensors.items())


def test_another_training_and_one_without_a_threshold_are_refused() -> None:
    weights = random_weights()
    with pytest.raises(WeightsError, match="assures no threshold"):
        with_guarantee(weights, weights)
    other = replace(weights, thresholds={"auto": 0.4, "p95": 0.8, "guaranteed": 0.9})
    with pytest.raises(WeightsError, match="not the same training"):
        with_guarantee(weights, other)
