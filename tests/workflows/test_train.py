from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import DatasetError, OutputError, Refiner, WeightsError, load_weights, train
from rcnet_rt.training.config import PRESETS
from rcnet_rt.workflows.progress import Progress
from rcnet_rt.workflows.training_run import is_run
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

SHORT = replace(PRESETS["residual"], epochs=2)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "coco", make_content(images=24))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(make_results(make_content(images=24))))
    return path


def test_weights_with_their_gain(
    coco: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[Progress] = []
    out = tmp_path / "run"
    trained = train(
        coco, results, out=out, name="mine", recipe=SHORT, folds=2, progress=steps.append
    )
    assert trained.weights_file == out / "mine.safetensors"
    assert trained.card_file.read_text().startswith("#")
    assert trained.report_pages == {}
    assert trained.evaluation.all_images.images == len(trained.held_out.images)
    poses = np.random.default_rng(0).random((4, 17, 2)) * 200, np.full(4, 0.5)
    saved = Refiner(load_weights(str(trained.weights_file))).refine(*poses)
    np.testing.assert_array_equal(saved, Refiner(trained.weights).refine(*poses))
    assert [(step.done, step.total) for step in steps] == [(n, 6) for n in range(1, 7)]
    assert [step.task.split(", ")[-1] for step in steps] == ["epoch 1", "epoch 2"] * 3
    assert steps[0].figures["loss"] > 0
    assert 0 <= steps[0].figures["ap"] <= 1
    assert math.isnan(steps[-1].figures["ap"])  # no image is held out
    assert len((out / "log.jsonl").read_text().splitlines()) == 6
    assert is_run(out)
    assert capsys.readouterr() == ("", "")
    with pytest.raises(FrozenInstanceError):
        trained.weights = None  # type: ignore[misc]


def test_progress_goes_on_where_a_run_is_resumed(coco: Path, results: Path, tmp_path: Path) -> None:
    def stop(step: Progress) -> None:
        if step.done == 3:
            raise KeyboardInterrupt

    out, steps = tmp_path / "run", []
    with pytest.raises(KeyboardInterrupt):
        train(coco, [results], out=out, recipe=SHORT, folds=2, progress=stop)
    train(coco, [results], out=out, recipe=SHORT, folds=2, resume=True, progress=steps.append)
    assert [step.done for step in steps][-3:] == [4, 5, 6]
    with pytest.raises(OutputError, match="holds a run already"):
        train(coco, [results], out=out, recipe=SHORT, folds=2)


def test_few_images_take_as_many_epochs_as_enough_steps_need(
    coco: Path, results: Path, tmp_path: Path
) -> None:
    steps: list[Progress] = []
    out = tmp_path / "run"
    train(
        coco,
        results,
        out=out,
        recipe="residual",
        val_fraction=0.5,
        workers=1,
        joints=False,
        progress=steps.append,
    )
    assert steps[-1].done == steps[-1].total == 40
    assert len((out / "log.jsonl").read_text("utf-8").splitlines()) == 40
    assert json.loads((out / "run.json").read_text("utf-8"))["recipe"]["epochs"] == 40


def test_a_report_on_the_held_out_images(
    coco: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rcnet_rt.report.page.encode", lambda figure: b"chart")
    monkeypatch.setattr("rcnet_rt.report.page.MAX_IMAGES", 0)
    out = tmp_path / "run"
    trained = train(coco, results, out=out, recipe=SHORT, val_fraction=0.4, report=True)
    assert trained.report_pages == {"": out / "report" / "index.html"}
    assert trained.report_pages[""].exists()


def test_what_cannot_be_leaves_no_folder(coco: Path, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(DatasetError, match="held out in one way only"):
        train(coco, results, out=out, folds=2, val_fraction=0.5)
    with pytest.raises(DatasetError, match="resume needs out"):
        train(coco, results, resume=True)
    with pytest.raises(WeightsError, match="unknown preset 'best'; give a Recipe or one of"):
        train(coco, results, out=out, recipe="best")
    with pytest.raises(DatasetError, match="give the poses of an image once"):
        train(coco, [results, results], out=out)
    assert not out.exists()
