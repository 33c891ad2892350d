from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.errors import DatasetError
from rcnet_rt.report.png import encode
from rcnet_rt.report.training_curves import read_log, training_curves
from rcnet_rt.training.fit import Progress


def line(split: str, epoch: int, loss: float, ap: float | None = None) -> str:
    values = {"split": split, "epoch": epoch, "loss": loss, "ap": ap, "ranking_accuracy": ap}
    return json.dumps(values) + "\n"


def test_a_log_is_read_whatever_happened_to_the_run(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    killed = line("fold 1", 2, 0.5, 0.31)[:-20]
    log.write_text(
        line("fold 1", 1, 0.9, 0.3)
        + line("fold 1", 2, 0.7, 0.3)
        + line("fold 1", 2, 0.6, 0.32)  # repeated after a resume
        + line("all images", 1, 0.8)
        + "[]\n"
        + killed
    )
    first, second, kept = read_log(log)
    assert first == Progress("fold 1", 1, 0.9, 0.3, 0.3)
    assert second == Progress("fold 1", 2, 0.6, 0.32, 0.32)
    assert (kept.split, kept.loss) == ("all images", 0.8)
    assert np.isnan(kept.ap)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_log(tmp_path / "none.jsonl")


def test_curves_are_drawn_with_their_mean() -> None:
    epochs = [
        Progress(f"fold {fold}", epoch, 1 / epoch, 0.3 + 0.01 * fold, float("nan"))
        for fold in (1, 2)
        for epoch in (1, 2, 3)
    ] + [Progress("all images", 1, 0.5, float("nan"), float("nan"))]
    figure = training_curves(epochs)
    ap, accuracy, loss = figure.axes
    assert [list(found.get_ydata()) for found in ap.get_lines()] == [
        pytest.approx([value] * 3) for value in (31, 32, 31.5)
    ]
    assert ap.get_title(loc="left") == "AP, held-out images, mean of 2"
    assert not accuracy.get_lines()
    assert len(loss.get_lines()) == 4
    assert list(loss.get_lines()[-1].get_xdata()) == [1]  # the only epoch that all have
    assert encode(figure).startswith(b"\x89PNG")
    assert encode(training_curves([])).startswith(b"\x89PNG")
