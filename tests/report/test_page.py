from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from rcnet_rt.cli import main
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.results import read_results
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.report.folder import PAGE
from rcnet_rt.report.page import Subject, write_report
from rcnet_rt.rescoring.weights import Weights, baseline
from rcnet_rt.rescoring.weights_io import save
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time."""
    monkeypatch.setattr("rcnet_rt.report.page.encode", lambda figure: b"chart")


@pytest.fixture
def content() -> dict:
    return make_content()


@pytest.fixture
def dataset(tmp_path: Path, content: dict) -> Dataset:
    """With images of images 2 and 3; the order of image 3 alone changes."""
    root = write_dataset(tmp_path / "coco", content)
    folder = root / "images" / "val2017"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for image in content["images"][1:3]:
        image_path = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / image["file_name"]), image_path)
    return Dataset(root)


def data_of(dataset: Dataset, content: dict) -> LabeledResults:
    return LabeledResults(dataset.ground_truth(), make_results(content))


def written(
    folder: Path,
    data: LabeledResults,
    dataset: Dataset,
    weights: Weights,
    seen: int = 0,
    sign: int = 1,
) -> str:
    refined = sign * data.match.target
    evaluation = compare(data.ground_truth, data.entries, data.scores, refined, resamples=5)
    subject = Subject(f"{EVIL}.json", weights, "numpy", len(data.poses), seen)
    write_report(folder, subject, data, refined, evaluation, {}, dataset, resamples=5)
    return (folder / PAGE).read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_charts")
def test_the_page_needs_nothing_else_and_nothing_in_it_runs(
    tmp_path: Path, dataset: Dataset, content: dict
) -> None:
    data = data_of(dataset, content)
    images = {
        key: replace(image, file_name=f"../val2017/{EVIL}{image.file_name}")
        for key, image in data.ground_truth.images.items()
    }
    folder = dataset.root / "images" / "val2017"
    for image in content["images"][1:3]:
        target = folder / f"../val2017/{EVIL}{image['file_name']}"
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / image["file_name"]).rename(target)
    data = replace(data, ground_truth=replace(data.ground_truth, images=images))
    weights = replace(baseline("score"), name=f'"{EVIL}')
    page = written(tmp_path / "report", data, dataset, weights)
    tags = Tags()
    tags.feed(page)
    assert "script" not in {tag for tag, _ in tags.found}
    assert page.count("&lt;script&gt;") >= 4  # results and weights, in title and text; images
    sources = [attributes["src"] or "" for tag, attributes in tags.found if tag == "img"]
    assert len(sources) > 8
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not [a for _, a in tags.found if {"href", "srcset", "onload"} & a.keys()]
    assert "url(" not in page
    assert "@import" not in page
    assert all(attributes.get("alt") for tag, attributes in tags.found if tag == "img")


def test_images_only_where_there_are_files(tmp_path: Path, dataset: Dataset, content: dict) -> None:
    page = written(tmp_path / "report", data_of(dataset, content), dataset, baseline("score"))
    assert "Images that gained" in page
    assert "Images that lost" not in page
    assert page.count('<li class="false">') > 1
    shown = {path.name for path in (tmp_path / "report").glob("image-*")}
    assert shown == {"image-3-raw.png", "image-3-refined.png"}
    for path in (tmp_path / "report").glob("*.png"):
        assert cv2.imread(str(path)) is not None

    page = written(
        tmp_path / "lost", data_of(dataset, content), dataset, baseline("score"), sign=-1
    )
    assert "Images that lost" in page
    assert "Images that gained" not in page

    image_path = dataset.image_path(dataset.ground_truth().images[3])
    image_path.write_bytes(b"damaged")
    page = written(tmp_path / "without", data_of(dataset, content), dataset, baseline("score"))
    assert "No image file of the images whose AP changed" in page
    assert not list((tmp_path / "without").glob("image-*"))


def test_the_same_evaluation_gives_the_same_bytes(
    tmp_path: Path, dataset: Dataset, content: dict
) -> None:
    pages = [
        written(tmp_path / name, data_of(dataset, content), dataset, baseline("score"))
        for name in ("one", "two")
    ]
    assert pages[0] == pages[1]
    one = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert one == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


@pytest.mark.usefixtures("no_charts")
def test_it_says_what_the_weights_have_seen(
    tmp_path: Path, dataset: Dataset, content: dict
) -> None:
    data = data_of(dataset, content)
    scores = {"before": {"AP": 0.4711}, "after": {"AP": 0.4848}}
    figures = {"all": {"images": 214, "gain": [0.0137, 0.006, 0.0199], "scores": scores}}
    weights = replace(baseline("score"), training={"images": list(data.poses), "figures": figures})
    page = written(tmp_path / "all", data, dataset, weights, seen=len(data.poses))
    assert "These figures are optimistic." in page
    assert "<td>all, 214</td><td>47.11</td><td>48.48</td><td>+1.37 [+0.60, +1.99]</td>" in page
    for odd in ({"all": {"gain": ["x", 0, 0]}}, {"all": 3}, [1]):
        weights = replace(baseline("score"), training={"figures": odd})
        page = written(tmp_path / "odd", data, dataset, weights, seen=len(data.poses))
        assert "Held-out figures are in the model card." in page
    page = written(tmp_path / "some", data, dataset, weights, seen=3)
    assert "These figures are optimistic." not in page
    assert "trained on 3 of the" in page
    page = written(tmp_path / "none", data, dataset, baseline("score"))
    assert 'class="notice"' not in page


@pytest.mark.usefixtures("no_charts")
def test_undefined_figures_are_dashes(tmp_path: Path, dataset: Dataset, content: dict) -> None:
    """On image 1 nobody is annotated: every figure is undefined, and none is NaN or -100.00."""
    data = data_of(dataset, content)
    data = LabeledResults(data.ground_truth.subset({1}), data.entries)
    page = written(tmp_path / "report", data, dataset, baseline("score"))
    text = re.sub("<style>.*</style>", "", page, flags=re.DOTALL)
    assert "AP is undefined: no annotated person counts on these images." in text
    assert "<b>– → –</b>" in text
    assert not re.search(r"\bnan\b|-100\.00|-1\.0000", text)


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    return stopped.value.code


@pytest.fixture
def results(tmp_path: Path, content: dict) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(make_results(content)))
    return path


@pytest.mark.usefixtures("no_charts")
def test_eval_writes_it(
    tmp_path: Path, dataset: Dataset, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, figures = tmp_path / "report", tmp_path / "figures.json"
    command = ("eval", "--coco", dataset.root, results, "--weights", "formula:score_times_joints")
    assert run(*command, "--report", folder, "--json", figures) == 0
    assert f"report -> {folder / PAGE}" in capsys.readouterr().out
    page = (folder / PAGE).read_text(encoding="utf-8")
    found = json.loads(figures.read_text())["all_images"]
    for which in ("before", "after"):
        assert f"{100 * found[which]['metrics']['ap']:.2f}" in page
        assert f"{found[which]['ause']:.4f}" in page
        assert f"<td>{found[which]['misranked']['count']:,}</td>" in page
    low, high = (100 * found["gain"][side] for side in ("low", "high"))
    assert f"{low:+.2f} to {high:+.2f}" in page


@pytest.mark.usefixtures("no_charts")
def test_the_report_is_about_images_that_the_weights_have_not_seen(
    tmp_path: Path, dataset: Dataset, results: Path
) -> None:
    images = sorted({entry["image_id"] for entry in read_results(results)})
    weights = tmp_path / "seen.safetensors"
    save(replace(baseline("score"), training={"images": images[:3]}), weights)
    command = ("eval", "--coco", dataset.root, results, "--weights", weights)
    assert run(*command, "--report", tmp_path / "report") == 0
    page = (tmp_path / "report" / PAGE).read_text(encoding="utf-8")
    assert f"trained on 3 of the {len(images)} images" in page
    assert re.search(rf"{len(images) - 3} images, \d+ people", page)


def test_faults_are_found_before_the_work(
    tmp_path: Path,
    dataset: Dataset,
    results: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    command = ("eval", "--coco", dataset.root, results, "--weights", "formula:score", "--report")
    assert run(*command, tmp_path / "mine") == 1
    captured = capsys.readouterr()
    assert "holds other files" in captured.err
    assert captured.out == ""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(*command, tmp_path / "report") == 1
    assert "pip install 'rcnet-rt[report]'" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()
