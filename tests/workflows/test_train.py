from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import (
    BackendError,
    DatasetError,
    OutputError,
    Refiner,
    WeightsError,
    load_weights,
    train,
)
from rcnet_rt.models.device import resolve_device
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
    with pytest.raises(WeightsError, match=r"name '../mine' is no file name"):
        train(coco, results, out=out, name="../mine")
    with pytest.raises(BackendError, match="device 'nowhere' cannot be used"):
        train(coco, results, out=out, device="nowhere")
    assert not out.exists()


def test_a_fold_with_nothing_to_learn_leaves_no_folder(coco: Path, tmp_path: Path) -> None:
    entries = [e for e in make_results(make_content(images=24)) if e["image_id"] < 6]
    rng = np.random.default_rng(0)
    for entry in entries:
        if entry["image_id"] == 3:  # held out in one of the folds
            continue
        points = rng.uniform(0, 480, (17, 2))
        entry["keypoints"] = np.column_stack([points, np.ones(17)]).ravel().tolist()
    wrong, out = tmp_path / "wrong.json", tmp_path / "run"
    wrong.write_text(json.dumps(entries))
    with pytest.raises(DatasetError, match="there is nothing to learn"):
        train(coco, wrong, out=out, recipe=SHORT, folds=2)
    assert not out.exists()


@pytest.mark.parametrize("learning_rate", [1e30, 1e40])
@pytest.mark.parametrize("kept", [(), ("predictions.json",)])
def test_a_run_that_fails_in_its_first_epoch_can_be_started_again(
    coco: Path, results: Path, tmp_path: Path, kept: tuple[str, ...], learning_rate: float
) -> None:
    out, wild = tmp_path / "run", replace(SHORT, learning_rate=learning_rate)
    for name in kept:
        out.mkdir(exist_ok=True)
        (out / name).write_text("[]")
    with pytest.raises(WeightsError, match="smaller learning rate"):
        train(coco, results, out=out, recipe=wild, val_fraction=0.4)
    assert tuple(path.name for path in out.glob("*")) == kept
    assert train(coco, results, out=out, recipe=SHORT, val_fraction=0.4).weights_file.exists()


def test_a_run_that_fails_later_keeps_its_epochs(coco: Path, results: Path, tmp_path: Path) -> None:
    def fail(step: Progress) -> None:
        if step.done == 2:
            raise WeightsError("no more")

    out = tmp_path / "run"
    with pytest.raises(WeightsError, match="no more"):
        train(coco, results, out=out, recipe=SHORT, val_fraction=0.4, progress=fail)
    assert is_run(out)
    train(coco, results, out=out, recipe=SHORT, val_fraction=0.4, resume=True)


def test_the_device_auto_is_one_that_torch_has(coco: Path, results: Path, tmp_path: Path) -> None:
    def trained(device: str) -> bytes:
        out = tmp_path / device
        result = train(coco, results, out=out, recipe=SHORT, val_fraction=0.4, device=device)
        return result.weights_file.read_bytes()

    assert trained("auto") == trained(resolve_device("auto"))
