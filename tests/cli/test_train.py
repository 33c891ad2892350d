"""`rcnet-rt train` as a user runs it, on real predictions."""

import gzip
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest

from rcnet_rt import Refiner, load_weights
from rcnet_rt.cli import _run
from rcnet_rt.cli.named_files import named_file
from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14
from rcnet_rt.rescoring.features import FEATURE_SETS
from rcnet_rt.rescoring.network_config import Architecture
from rcnet_rt.training.config import PRESETS
from rcnet_rt.training.dataset import Target
from rcnet_rt.training.losses import LOSSES
from rcnet_rt.workflows.rescore import rescore_entries
from rcnet_rt.workflows.scoring import load_scoring
from tests.helpers.crowdpose import crowdpose_folder
from tests.helpers.estimators import few_images


@pytest.fixture(scope="module")
def results(shared_data, tmp_path_factory):
    """Real predictions on some images, so that a run takes seconds."""
    path = shared_data / "predictions" / "lightweight-openpose_val2017.json.gz"
    everything = json.loads(gzip.decompress(path.read_bytes()))
    entries = [entry for entry in everything if entry["image_id"] < 60_000]
    some = tmp_path_factory.mktemp("results") / "some.json"
    some.write_text(json.dumps(entries))
    return some


@pytest.fixture
def run(shared_data, results, tmp_path):
    def call(*options, out=tmp_path / "run"):
        coco = str(shared_data / "coco")
        given = ["train", "--coco", coco, "--predictions", str(results), "--out", str(out)]
        return _run([*given, "--epochs", "2", *options])

    return call


def test_it_ends_with_a_table_weights_a_card_and_a_log(run, tmp_path, capsys):
    assert run("--folds", "3", "--name", "mine") == 0
    shown = capsys.readouterr().out
    for word in ("AP50", "ranking accuracy", "refined", "headroom", "Calibration error"):
        assert word in shown
    weights = load_weights(str(tmp_path / "run" / "mine.safetensors"))
    assert set(weights.thresholds) >= {"auto"}
    assert len(weights.training["images"]) > 50
    rng = np.random.default_rng(0)
    assert len(Refiner(weights).refine(rng.random((4, 17, 2)) * 200, rng.random(4))) == 4
    card = (tmp_path / "run" / "mine.md").read_text()
    assert "every image once, in 3 folds" in card
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert len(log) == 2 * 4
    assert {"loss", "ap", "ranking_accuracy"} <= log[0].keys()
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_on_the_held_out_images(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("rcnet_rt.report.page.encode", lambda figure: b"chart")
    monkeypatch.setattr("rcnet_rt.report.page.MAX_IMAGES", 0)
    assert run("--val-fraction", "0.3", "--report") == 0
    page = tmp_path / "run" / "report" / "index.html"
    assert f"report -> {page}" in capsys.readouterr().out
    assert "Every image here was held out" in page.read_text(encoding="utf-8")


def test_resuming_gives_the_same_weights(run, tmp_path, monkeypatch, capsys):
    from rcnet_rt.training import loop

    assert run("--val-fraction", "0.3", out=tmp_path / "whole") == 0
    real, calls = loop._epoch, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(loop, "_epoch", interrupted)
    assert run("--val-fraction", "0.3", out=tmp_path / "parts") == 130
    assert "--resume" in capsys.readouterr().err
    monkeypatch.setattr(loop, "_epoch", real)
    assert run("--val-fraction", "0.3", "--resume", out=tmp_path / "parts") == 0
    files = [tmp_path / name / "rcnet.safetensors" for name in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_run_killed_while_it_writes_what_it_is_can_be_started_again(run, tmp_path, monkeypatch):
    def kill(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("rcnet_rt.files.writing.os.replace", kill)
        with pytest.raises(SystemExit):
            run("--val-fraction", "0.3")
    assert not (tmp_path / "run" / "run.json").exists()
    assert run("--val-fraction", "0.3") == 0


def test_a_folder_that_holds_a_run_is_not_overwritten(run, capsys):
    assert run("--val-fraction", "0.3") == 0
    assert run("--val-fraction", "0.3") == 1
    assert "holds a run already" in capsys.readouterr().err
    assert run("--val-fraction", "0.3", "--seed", "5", "--resume") == 1
    assert "was started with other recipe and held-out images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--folds", "3", "--val-fraction", "0.5"], 2, "exclude each other"),
        (["--val-split", "test2017"], 1, "split 'test2017' has 0 of the"),
        (["--folds", "5000"], 1, "images allow 2 to 158 folds"),
        (["--predictions", "gone.json"], 1, "gone.json"),
        (["--baseline", "magic"], 1, "unknown baseline 'magic'"),
        (["--margin", "7"], 2, "margin"),
        (["--margin", "0.3", "--loss", "l1"], 2, "--margin belongs to --loss rank"),
        (["--positive", "0.7"], 2, "--positive belongs to --loss ap and dr"),
        (["--features", "paper+visual"], 1, "the results have no embeddings"),
        (["--resume"], 1, "holds no run to resume"),
        (["--device", "cuda:99"], 1, "cuda:99"),
    ],
)
def test_what_cannot_be_is_one_sentence(run, capsys, options, code, message):
    assert run(*options) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        *(["--loss", loss] for loss in LOSSES),
        *(["--loss", "rank", "--margin", margin] for margin in ("0", "0.3", "1")),
        *(["--loss", loss, "--positive", "0.75"] for loss in ("ap", "dr")),
        *(["--arch", architecture] for architecture in get_args(Architecture)),
        *(["--features", name] for name, it in FEATURE_SETS.items() if not it.visual),
        *(["--target", target] for target in get_args(Target)),
        *(["--preset", preset] for preset in PRESETS),
    ],
    ids=" ".join,
)
def test_every_choice_trains_on_real_predictions(run, tmp_path, options):
    assert run("--val-fraction", "0.3", *options) == 0
    refiner = Refiner(load_weights(str(tmp_path / "run" / "rcnet.safetensors")))
    rng = np.random.default_rng(0)
    scores = refiner.refine(rng.random((4, 17, 2)) * 200, rng.random(4))
    assert len(set(scores)) > 1
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("features", ["paper+visual", "full+visual"])
def test_visual_features_are_learned_from_results_with_embeddings(
    shared_data, results, tmp_path, features
):
    entries = json.loads(results.read_text())
    rng = np.random.default_rng(0)
    for entry in entries[::2]:
        entry["embedding"] = rng.normal(0, 1, 5).tolist()
    path, out = tmp_path / "seen.json", tmp_path / "run"
    path.write_text(json.dumps(entries))
    given = ["train", "--coco", str(shared_data / "coco"), "--predictions", str(path)]
    options = ["--features", features, "--epochs", "2", "--val-fraction", "0.3"]
    assert _run([*given, "--out", str(out), *options]) == 0
    weights = load_weights(str(out / "rcnet.safetensors"))
    assert (weights.features, weights.embedding_size) == (features, 5)
    assert (weights.tensors["standardise.deviation"][-5:] != 1).all()
    # Results without embeddings are refined all the same.
    refined = str(tmp_path / "refined.json")
    command = [
        "refine",
        str(results),
        "--out",
        refined,
        "--weights",
        str(out / "rcnet.safetensors"),
    ]
    assert _run(command) == 0


def test_a_file_given_twice_is_told(run, results, capsys):
    assert run("--predictions", str(results)) == 1
    assert "give the poses of an image once" in capsys.readouterr().err


@pytest.mark.parametrize("skeleton", ["crowdpose14", "crowdpose14-torso"])
def test_crowdpose_by_the_leg_and_by_the_torso(shared_data, tmp_path, capsys, skeleton):
    coco, results = crowdpose_folder(shared_data, tmp_path)
    out, refined = tmp_path / "run", tmp_path / "refined.json"
    train = ["train", "--crowdpose", str(coco), "--predictions", str(results), "--out", str(out)]
    short = ["--preset", "paper", "--epochs", "1", "--val-fraction", "0.3"]
    assert _run([*train, *short, "--skeleton", skeleton]) == 0
    assert "AP hard, crowd index" in capsys.readouterr().out
    path = out / "rcnet.safetensors"
    weights = load_weights(str(path))
    assert weights.skeleton == skeleton
    parameters = [t for name, t in weights.tensors.items() if not name.startswith("standardise")]
    assert sum(tensor.size for tensor in parameters) == 69_745
    assert _run([*train, *short, "--skeleton", "coco17"]) == 1
    assert "which are not those of coco17" in capsys.readouterr().err
    # refine needs no word on the data set: 14 joints, and the weights know the rest.
    assert _run(["refine", str(results), "--out", str(refined), "--weights", str(path)]) == 0
    assert _run(["eval", "--crowdpose", str(coco), str(results), "--weights", str(path)]) == 0
    other = {"crowdpose14": "crowdpose14-torso", "crowdpose14-torso": "crowdpose14"}[skeleton]
    scores = np.array([entry["score"] for entry in json.loads(refined.read_text())])
    swapped = Refiner(replace(weights, skeleton=other))
    entries = json.loads(results.read_text())
    here = rescore_entries(entries, swapped)
    assert np.abs(here - scores).max() > 1e-4
    scoring = load_scoring(str(path), "auto", family="any", device="cpu", backend="auto")
    # An estimator's joints decide, not how they are measured.
    scoring.check(SimpleNamespace(name="mine", skeleton=CROWDPOSE14))
    with pytest.raises(WeightsError, match="the estimator gives coco17"):
        scoring.check(SimpleNamespace(name="mine", skeleton=COCO17))


def test_resuming_with_another_skeleton_is_refused(shared_data, tmp_path, capsys):
    coco, results = crowdpose_folder(shared_data, tmp_path, every=100)
    train = ["train", "--crowdpose", str(coco), "--predictions", str(results)]
    train += ["--out", str(tmp_path / "run"), "--epochs", "1", "--val-fraction", "0.3"]
    assert _run(train) == 0
    assert _run([*train, "--skeleton", "crowdpose14-torso", "--resume"]) == 1
    assert "was started with other skeleton;" in capsys.readouterr().err


def test_several_estimators_by_name(shared_data, tmp_path, capsys):
    """A name given twice is one estimator; a path with a "=" needs no name."""
    files = few_images(shared_data, tmp_path, ["movenet", "yolov8n_320"], 60)
    entries = json.loads(files["movenet"].read_text())
    images = sorted({entry["image_id"] for entry in entries})
    halves = [tmp_path / "first.json", tmp_path / "a=b.json"]
    for path, some in zip(halves, (images[::2], images[1::2]), strict=True):
        path.write_text(json.dumps([entry for entry in entries if entry["image_id"] in some]))
    given = ["train", "--coco", str(shared_data / "coco-val"), "--out", str(tmp_path / "run")]
    for value in (
        f"movenet={halves[0]}",
        f"movenet={halves[1]}",
        f"yolov8n_320={files['yolov8n_320']}",
    ):
        given += ["--predictions", value]
    given += ["--leave-out", "movenet", "--epochs", "2", "--folds", "2", "--workers", "2"]
    assert _run(given) == 0
    shown = capsys.readouterr().out
    assert f"movenet, left out: {len(images)} images" in shown
    assert "yolov8n_320: " in shown
    weights = load_weights(str(tmp_path / "run" / "rcnet.safetensors"))
    assert weights.training["estimators"]["movenet"]["data"] == ["first.json", "a=b.json"]
    assert named_file(str(halves[1])) == ("", halves[1])
