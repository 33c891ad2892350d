"""The training benchmark measures what it says."""

import json

import numpy as np
import pytest

from benchmarks.speed import training


def test_figures_are_those_of_the_papers_network(tmp_path, capsys):
    path = tmp_path / "figures.json"
    arguments = ["--poses", "300", "--epochs", "1", "--steps", "128", "--device", "cpu", "--json"]
    training.main([*arguments, str(path)], standalone_mode=False)
    figures = json.loads(path.read_text("utf-8"))
    asked = {name: figures[name] for name in ("poses", "batch", "parameters", "dropout", "device")}
    assert asked == {
        "poses": 300, "batch": 128, "parameters": 69_985, "dropout": 0.1, "device": "cpu"
    }  # fmt: skip
    assert figures["microseconds_a_pose"] * 300 == pytest.approx(1e6 * figures["epoch_seconds"])
    assert figures["epoch_seconds"] >= figures["fastest"] > 0
    assert [record["preset"] for record in figures["all"]] == ["paper", "residual"]
    assert "paper_microseconds_a_pose: 14.4" in capsys.readouterr().out


def test_random_poses_fill_whole_images():
    data = training.random_set(1000, 75)
    assert data.features.shape == data.mirrored.shape == (1000, 75)
    counts = np.diff(data.starts)
    assert 1 <= counts.min() <= counts.max() <= 7
    np.testing.assert_array_equal(np.bincount(data.image), counts)
