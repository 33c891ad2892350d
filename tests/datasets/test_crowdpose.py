"""CrowdPose's files, and its figures against its own definition. The results are simulated."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from benchmarks.studies.full_coco.simulator import simulate
from rcnet_rt.datasets.coco import GroundTruth
from rcnet_rt.datasets.crowdpose import by_crowding, crowdpose
from rcnet_rt.datasets.results import Entry, scores_of
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.average_precision import AveragePrecision
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14, CROWDPOSE14_TORSO
from tests.helpers.synthetic_coco import pycocotools_stats, silence


def person(number: int, image: int, **more: Any) -> dict[str, Any]:
    joints = [[10 * joint, 5 * joint, 2] for joint in range(14)]
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": [value for joint in joints for value in joint],
        "bbox": [0, 0, 130, 65],
        **more,
    }


@pytest.fixture
def content() -> dict[str, Any]:
    """Ground truth as CrowdPose has it, and with less."""
    crowd = {1: 0.0, 2: 0.19, 3: 0.2, 4: 0.79, 5: 0.8, 6: 3.02}
    return {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 100, "crowdIndex": index}
            for n, index in crowd.items()
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": ["joint"] * 14}],
        "annotations": [
            person(1, 1, num_keypoints=12, iscrowd=0),
            person(2, 1, num_keypoints=0, iscrowd=0),
            person(3, 1, num_keypoints=9, iscrowd=1),
            person(4, 2),
        ],
    }


def write(root: Path, name: str, content: dict[str, Any]) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "json/crowdpose_trainval.json",
        "annotations/crowdpose_trainval.json.gz",
        "annotations/mmpose_crowdpose_trainval.json",
    ],
)
def test_files_as_people_have_them(tmp_path: Path, content: dict[str, Any], name: str) -> None:
    path = write(tmp_path, name, content)
    dataset = crowdpose(tmp_path)
    assert dataset.splits() == {"trainval": path}
    truth = dataset.ground_truth("trainval")
    assert truth.skeleton is CROWDPOSE14
    assert truth.complete == truth.images.keys()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "3.jpg").touch()
    assert dataset.image_path(truth.images[3]) == tmp_path / "images" / "3.jpg"


def test_what_crowdpose_leaves_unsaid(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, "json/crowdpose_val.json", content)
    persons = crowdpose(tmp_path).ground_truth().persons
    assert persons[1].areas.tolist() == [130 * 65 * 0.53] * 3
    assert persons[1].ignore.tolist() == [False, True, True]
    assert persons[1].iscrowd.tolist() == [False, False, True]
    assert persons[1].visible.all()
    assert persons[2].ignore.tolist() == [False]


def test_groups_of_images(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, "json/crowdpose_val.json", content)
    truth = crowdpose(tmp_path).ground_truth()
    assert by_crowding(truth) == {"easy": [1, 2], "medium": [3, 4], "hard": [5, 6]}
    assert by_crowding(truth.subset([6])) == {"easy": [], "medium": [], "hard": [6]}
    unknown = {n: dataclasses.replace(i, crowd_index=None) for n, i in truth.images.items()}
    assert by_crowding(dataclasses.replace(truth, images=unknown)) == {}


def test_the_skeleton_may_be_another_of_the_same_joints(tmp_path: Path) -> None:
    dataset = crowdpose(tmp_path)
    assert dataset.with_skeleton(CROWDPOSE14_TORSO).skeleton is CROWDPOSE14_TORSO
    with pytest.raises(DatasetError, match="joints of crowdpose14, which are not those of coco17"):
        dataset.with_skeleton(COCO17)


def test_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"json/crowdpose_\{split\}\.json or annotations/crowd"):
        crowdpose(tmp_path).splits()


def test_real_ground_truth(shared_data: Path) -> None:
    truth = crowdpose(shared_data / "crowdpose").ground_truth("val")
    people = truth.persons.values()
    assert len(truth.images) == 2000
    assert sum(map(len, people)) == 8527
    assert sum(int((~persons.ignore).sum()) for persons in people) == 7074
    sizes = {group: len(images) for group, images in by_crowding(truth).items()}
    assert sizes == {"easy": 411, "medium": 1240, "hard": 349}


@dataclasses.dataclass(frozen=True)
class Case:
    """Real annotations, simulated results, and what rcnet-rt says."""

    content: dict[str, Any]
    truth: GroundTruth
    entries: list[Entry]
    found: tuple[float, ...]
    groups: dict[str, float]


@pytest.fixture(scope="module")
def case(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    whole = shared_data / "crowdpose" / "annotations" / "crowdpose_val.json.gz"
    content = json.loads(gzip.decompress(whole.read_bytes()))
    content["images"] = content["images"][::8]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    root = tmp_path_factory.mktemp("crowdpose")
    write(root, "annotations/crowdpose_val.json", content)
    truth = crowdpose(root).ground_truth()
    entries = [e for e in simulate(truth) if e["image_id"] % 10]  # some images have no pose
    scores = scores_of(entries)
    images = truth.images
    report = compare(truth, entries, scores, scores, resamples=2, images=images).all_images.before
    fast = AveragePrecision(truth, entries, images).evaluate(scores)
    assert dataclasses.astuple(report.metrics) == pytest.approx(dataclasses.astuple(fast))
    assert len(report.ap_by_crowding) == 3
    return Case(
        content, truth, entries, dataclasses.astuple(report.metrics), dict(report.ap_by_crowding)
    )


def test_equal_to_pycocotools_told_of_crowdpose(case: Case) -> None:
    content = copy.deepcopy(case.content)
    for annotation in content["annotations"]:
        _, _, width, height = annotation["bbox"]
        annotation["area"] = 0.53 * width * height
    bounds = {"easy": (-1, 0.2), "medium": (0.2, 0.8), "hard": (0.8, 100)}
    groups = {
        name: [image["id"] for image in content["images"] if low <= image["crowdIndex"] < high]
        for name, (low, high) in bounds.items()
    }
    sigmas = np.array([79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89, 79, 79]) / 1000

    def reference(images: list[int]) -> np.ndarray:
        return pycocotools_stats(content, case.entries, images, sigmas.tolist())

    np.testing.assert_allclose(case.found, reference(list(case.truth.images)), atol=1e-9)
    for name, images in groups.items():
        assert case.groups[name] == pytest.approx(reference(images)[0], abs=1e-9), name


# It leaves the files that it reads to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_equal_to_xtcocotools(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same authors' rules as in `crowdposetools`, which no package index has."""
    if importlib.util.find_spec("xtcocotools") is None:
        pytest.skip("xtcocotools is not installed: pip install --no-deps xtcocotools")
    # Its compiled part is for segments alone, and does not load beside NumPy 2.
    monkeypatch.setitem(sys.modules, "xtcocotools._mask", MagicMock())
    coco = importlib.import_module("xtcocotools.coco")
    judge_of = importlib.import_module("xtcocotools.cocoeval").COCOeval
    paths = [
        write(tmp_path, "truth.json", case.content),
        write(tmp_path, "found.json", case.entries),
    ]
    with silence():
        truth = coco.COCO(str(paths[0]))
        found = truth.loadRes(str(paths[1]))
        sigmas = np.array(CROWDPOSE14.sigmas)
        judge = judge_of(truth, found, "keypoints_crowd", sigmas, use_area=False)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    everybody = [case.found[place] for place in (0, 1, 2, 5, 6, 7)]
    np.testing.assert_allclose(judge.stats[:6], everybody, atol=1e-9)
    np.testing.assert_allclose(judge.stats[6:], list(case.groups.values()), atol=5.1e-5)
