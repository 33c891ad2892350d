from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rcnet_rt.report.tensorboard import EventFiles
from rcnet_rt.training.fit import Progress

EPOCHS = [
    Progress("fold 1 of 2", 1, 0.9, 0.3, 0.7),
    Progress("fold 1 of 2", 2, 0.8, 0.4, 0.75),
    Progress("all images", 1, 0.7, float("nan"), float("nan")),
]


def test_without_the_package_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with EventFiles(tmp_path / "events") as events:
        events.write(EPOCHS[0])
    assert not (tmp_path / "events").exists()


@pytest.mark.filterwarnings("default")  # of the package itself
def test_events_are_those_of_the_epochs(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the package tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with EventFiles(tmp_path / "events") as events:
        for progress in EPOCHS:
            events.write(progress)
    fold = EventAccumulator(str(tmp_path / "events" / "fold-1-of-2")).Reload()
    found = [(event.step, event.value) for event in fold.Scalars("held-out/AP")]
    assert found == [(1, pytest.approx(0.3)), (2, pytest.approx(0.4))]
    kept = EventAccumulator(str(tmp_path / "events" / "all-images")).Reload()
    assert kept.Tags()["scalars"] == ["loss"]
