from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rcnet_rt.cli import main
from rcnet_rt.cli.tables import comparison_table
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import poses_by_image, poses_to_entries, read_results, scores_of
from rcnet_rt.evaluation.compare import Evaluation, compare, oracle_scores
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.weights import baseline
from rcnet_rt.rescoring.weights_io import save
from rcnet_rt.workflows.evaluate import evaluation_json
from tests.helpers.crowdpose import crowdpose_folder
from tests.helpers.joints import with_joint_estimates
from tests.helpers.synthetic_coco import (
    make_content,
    make_results,
    pycocotools_stats,
    read_content,
    write_dataset,
)

FORMULA = ("--weights", "formula:score_times_confidence")


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    return stopped.value.code


@pytest.fixture
def content() -> dict:
    return make_content()


@pytest.fixture
def coco(tmp_path: Path, content: dict) -> Path:
    return write_dataset(tmp_path / "coco", content)


@pytest.fixture
def results(tmp_path: Path, content: dict) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(make_results(content)))
    return path


@pytest.fixture
def evaluation(coco: Path, content: dict) -> Evaluation:
    truth, entries = load_ground_truth(coco), make_results(content)
    before, perfect = scores_of(entries), oracle_scores(truth, entries)
    baselines = {"worse_than_anything": -perfect, "score": before}
    return compare(truth, entries, before, perfect, baselines, resamples=20)


def drawn(evaluation: Evaluation, *arguments: str) -> str:
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        for item in comparison_table(evaluation, *arguments):
            console.print(item)
    return capture.get()


def test_the_table_has_every_figure(evaluation: Evaluation) -> None:
    text = drawn(evaluation, "held-out images", "a note")
    everything = evaluation.all_images
    header = next(line for line in text.splitlines() if "refined" in line)
    assert header.index("raw") < header.index("score") < header.index("anything")
    before, after = everything.before.metrics.ap, everything.after.metrics.ap
    row = next(line for line in text.splitlines() if line.startswith("│ AP "))
    figures = [cell.strip() for cell in row.strip("│").split("│")][1:]
    assert figures[0] == f"{100 * before:.2f}"
    assert figures[-2:] == [f"{100 * after:.2f}", f"{100 * (after - before):+.2f}"]
    assert "100 % of the headroom closed" in text
    assert f"held-out images: {everything.images} images, {everything.people} people" in text
    assert "held-out images with complete annotations: " in text
    assert text.rstrip().endswith("a note")
    assert all(len(line) <= 100 for line in text.splitlines())


def test_figures_that_do_not_exist_are_dashes_and_null(evaluation: Evaluation) -> None:
    everything = evaluation.all_images
    nobody = replace(everything.before.metrics, ap_large=float("nan"))
    report = replace(everything.before, metrics=nobody, pearson=float("nan"))
    odd = Evaluation(replace(everything, before=report), None)
    text = drawn(odd)
    for label in ("APl", "Pearson"):
        row = next(line for line in text.splitlines() if label in line)
        assert [cell.strip() for cell in row.strip("│").split("│")][1] == "–"
    assert "complete" not in text
    record = evaluation_json(odd)
    assert record["complete_images"] is None
    assert record["all_images"]["before"]["pearson"] is None
    assert record["all_images"]["before"]["metrics"]["ap_large"] is None
    json.dumps(record, allow_nan=False)


def test_less_is_better_is_green(evaluation: Evaluation) -> None:
    console = Console(width=100, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(comparison_table(evaluation)[1])
    rows = {line.split("│")[1].strip(): line for line in capture.get().splitlines() if "│" in line}
    green = "\x1b[32m"
    assert green in rows["AUSE-OKS ↓"]
    assert green in rows["AP"]


def test_eval_and_its_figures(
    tmp_path: Path,
    coco: Path,
    results: Path,
    content: dict,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures, refined = tmp_path / "figures.json", tmp_path / "refined.json"
    assert run("eval", "--coco", coco, results, *FORMULA, "--json", figures) == 0
    said = capsys.readouterr().out
    assert "results.json, refined with formula:score_times_confidence (numpy)" in said
    assert "chosen on these very images" in said
    assert "AUSE-OKS: remove the k lowest scores" in said
    assert "trained on" not in said
    record = json.loads(figures.read_text())
    assert record["images_trained_on"] == 0
    assert record["images_not_trained_on"] is None
    assert run("refine", results, "--out", refined, *FORMULA) == 0
    for path, which in ((results, "before"), (refined, "after")):
        entries = read_results(path)
        expected = pycocotools_stats(content, entries, {entry["image_id"] for entry in entries})
        found = np.array(list(record["all_images"][which]["metrics"].values()), dtype=float)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_crowdpose_has_easy_medium_and_hard(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, results = crowdpose_folder(shared_data, tmp_path)
    figures = tmp_path / "figures.json"
    assert run("eval", "--crowdpose", root, results, *FORMULA, "--json", figures) == 0
    rows = [
        line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if "│" in line
    ]
    assert rows[3:6] == [
        "AP easy, crowd index < 0.2",
        "AP medium, crowd index < 0.8",
        "AP hard, crowd index ≥ 0.8",
    ]
    record = json.loads(figures.read_text())
    assert record["complete_images"] is None  # all are: no second table
    assert list(record["all_images"]["before"]["ap_by_crowding"]) == ["easy", "medium", "hard"]


def test_no_shipped_weights_are_for_crowdpose_and_the_error_says_what_is(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, results = crowdpose_folder(shared_data, tmp_path)
    assert run("eval", "--crowdpose", root, results) == 1
    error = capsys.readouterr().err
    assert "weights for crowdpose14, which `rcnet-rt train` makes" in error
    advice = ("--weights", "formula:score")
    assert " ".join(advice) in error
    assert run("eval", "--crowdpose", root, results, *advice) == 0


def test_all_images_counts_those_without_a_pose(
    tmp_path: Path, coco: Path, content: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [entry for entry in make_results(content) if entry["image_id"] % 2]
    results, figures = tmp_path / "odd.json", tmp_path / "figures.json"
    results.write_text(json.dumps(entries))
    command = ("eval", "--coco", coco, results, *FORMULA, "--json", figures)
    assert run(*command, "--split", "val2017", "--all-images") == 0
    metrics = json.loads(figures.read_text())["all_images"]["before"]["metrics"]
    images = [image["id"] for image in content["images"]]
    expected = pycocotools_stats(content, entries, images)
    np.testing.assert_allclose(np.array(list(metrics.values()), dtype=float), expected, atol=1e-6)
    assert run(*command, "--all-images") == 2
    assert "needs --split" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--coco", "a", "--crowdpose", "b")])
def test_one_dataset_is_needed(
    results: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert run("eval", results, *options) == 2
    assert "one of --coco DIR and --crowdpose DIR" in capsys.readouterr().err


def test_images_that_were_trained_on_are_told_and_set_apart(
    tmp_path: Path, coco: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sorted({entry["image_id"] for entry in read_results(results)})
    for count in (3, len(images)):
        weights = tmp_path / f"seen{count}.safetensors"
        save(replace(baseline("score"), training={"images": images[:count]}), weights)
        figures = tmp_path / "figures.json"
        command = ("eval", "--coco", coco, results, "--weights", weights, "--json", figures)
        assert run(*command) == 0
        said = capsys.readouterr().out
        assert f"Warning: {count} of {len(images)} images were trained on: these figures" in said
        rest = len(images) - count
        assert (f"images not trained on: {rest} images" in said) == (rest > 0)
        fresh = json.loads(figures.read_text())["images_not_trained_on"]
        assert (fresh and fresh["all_images"]["images"]) == (rest or None)


def test_images_without_poses_are_no_images_that_were_not_trained_on(
    tmp_path: Path, coco: Path, content: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [entry for entry in make_results(content) if entry["image_id"] < 9]
    (tmp_path / "some.json").write_text(json.dumps(entries))
    images = sorted({entry["image_id"] for entry in entries})
    weights = tmp_path / "seen.safetensors"
    save(replace(baseline("score"), training={"images": images}), weights)
    some = ("eval", "--coco", coco, tmp_path / "some.json", "--weights", weights)
    assert run(*some, "--split", "val2017", "--all-images") == 0
    said = capsys.readouterr().out
    assert "all images: 12 images" in said
    assert "not trained on" not in said


def test_images_without_annotations_are_left_out(
    tmp_path: Path, coco: Path, content: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = make_results(content)
    foreign = {**entries[0], "image_id": 10**9}
    (tmp_path / "more.json").write_text(json.dumps([foreign, *entries]))
    assert run("eval", "--coco", coco, tmp_path / "more.json", *FORMULA) == 0
    said = capsys.readouterr().out
    assert "1 images have no annotations here and are left out" in said
    assert f"{len(entries)} poses" in said


def test_faults_are_one_sentence(
    tmp_path: Path, coco: Path, content: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = make_results(content)

    def sentence(value: object, *arguments: object, root: Path = coco) -> str:
        path = tmp_path / "faulty.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        assert run("eval", "--coco", root, path, *(arguments or FORMULA)) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    sixteen = [{**entry, "keypoints": entry["keypoints"][:48]} for entry in entries]
    assert "(16 joints), expected 51" in sentence(sixteen)
    assert "cut off or not JSON" in sentence(json.dumps(entries)[:-40])
    nan = [*entries[:2], {**entries[2], "score": float("nan")}]
    assert "entry 2 " in sentence(nan)
    foreign = [{**entry, "image_id": 10**9} for entry in entries]
    assert "none of the 1 images is annotated in" in sentence(foreign)
    assert "holds no poses" in sentence([])
    assert "no annotations in" in sentence(entries, root=tmp_path)
    assert "has no split 'test'" in sentence(entries, *FORMULA, "--split", "test")
    nowhere = tmp_path / "nowhere" / "figures.json"
    assert "create" in sentence(entries, *FORMULA, "--json", nowhere)


@pytest.mark.parametrize(
    ("name", "weights", "ap"),
    [
        ("lightweight-openpose_val2017", "formula:score_times_joints", 0.2944),
        ("yolov8n-pose_val2017", "formula:score_times_confidence", 0.4440),
    ],
)
@pytest.mark.slow
def test_real_results(
    shared_data: Path, tmp_path: Path, name: str, weights: str, ap: float
) -> None:
    path = shared_data / "predictions" / f"{name}.json.gz"
    figures, refined = tmp_path / "figures.json", tmp_path / "refined.json.gz"
    command = ("eval", "--coco", shared_data / "coco", path, "--weights", weights)
    assert run(*command, "--json", figures) == 0
    assert run("refine", path, "--out", refined, "--weights", weights) == 0
    found = json.loads(figures.read_text())["all_images"]
    assert found["before"]["metrics"]["ap"] == pytest.approx(ap, abs=5e-5)  # shared README
    entries = read_results(refined)
    images = {entry["image_id"] for entry in entries}
    content = read_content(shared_data, "val2017", images)
    expected = pycocotools_stats(content, entries, images)
    refined = np.array(list(found["after"]["metrics"].values()), dtype=float)
    np.testing.assert_allclose(refined, expected, atol=1e-6)


def test_joints_are_judged_where_there_are_estimates(
    tmp_path: Path, coco: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, report = tmp_path / "figures.json", tmp_path / "report"
    assert run("eval", "--coco", coco, results, *FORMULA, "--json", figures) == 0
    assert "joints over" not in capsys.readouterr().out
    assert json.loads(figures.read_text())["joints"] is None
    entries = read_results(results)
    for image in poses_by_image(entries, COCO17).values():
        estimated = poses_to_entries(with_joint_estimates(image.poses), image.image_id)
        for index, entry in zip(image.entries, estimated, strict=True):
            entries[index] = entry
    results.write_text(json.dumps(entries))
    command = ("eval", "--coco", coco, results, *FORMULA, "--json", figures, "--report", report)
    assert run(*command) == 0
    said = capsys.readouterr().out
    joints = json.loads(figures.read_text())["joints"]
    calibrated = joints["calibrated"]
    assert f"joints over all images: {joints['poses']} poses" in said
    row = next(line for line in said.splitlines() if "left shoulder" in line)
    place = joints["names"].index("left_shoulder")
    for value in (calibrated["error"], calibrated["brier"], joints["coverage"]["by_joint"]):
        assert f"{100 * value[place]:.2f}" in row
    assert f"{100 * np.mean(calibrated['error']):.2f}" in said
    page = (report / "index.html").read_text(encoding="utf-8")
    assert f"{100 * np.mean(calibrated['brier']):.2f} calibrated" in page
    for name in ("joint-reliability", "joint-coverage"):
        assert (report / f"{name}.png").stat().st_size > 5000
