from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.coco import Dataset, GroundTruth, load_ground_truth
from rcnet_rt.errors import DatasetError
from tests.helpers.synthetic_coco import make_content, write_dataset


@pytest.fixture
def content() -> dict:
    return make_content()


@pytest.fixture
def root(tmp_path: Path, content: dict) -> Path:
    return write_dataset(tmp_path, content)


def test_people_are_as_annotated(root: Path, content: dict) -> None:
    truth = load_ground_truth(root, "val2017")
    assert truth.images.keys() == truth.persons.keys() == {i["id"] for i in content["images"]}
    assert truth.complete == {1, 2, 3, 4, 5}
    assert truth.image_sizes[1] == (480, 480)
    assert len(truth.persons[1]) == 0
    for image, persons in truth.persons.items():
        expected = [a for a in content["annotations"] if a["image_id"] == image]
        assert persons.annotation_ids.tolist() == [a["id"] for a in expected]
        for row, person in enumerate(expected):
            x, y, width, height = person["bbox"]
            np.testing.assert_allclose(persons.boxes[row], [x, y, x + width, y + height])
            joints = np.reshape(person["keypoints"], (17, 3))
            np.testing.assert_array_equal(persons.keypoints[row], joints[:, :2])
            np.testing.assert_array_equal(persons.visible[row], joints[:, 2] > 0)
            assert persons.areas[row] == person["area"]
            assert persons.iscrowd[row] == person["iscrowd"]
            assert persons.ignore[row] == (person["iscrowd"] or not person["num_keypoints"])


def test_arrays_are_frozen(root: Path) -> None:
    persons = load_ground_truth(root).persons[3]
    with pytest.raises(ValueError, match="read-only"):
        persons.keypoints[0] = 0


def test_gzip_is_read_and_plain_wins(tmp_path: Path, content: dict) -> None:
    folder = write_dataset(tmp_path, content) / "annotations"
    plain, packed = (folder / f"person_keypoints_val2017.json{end}" for end in ("", ".gz"))
    packed.write_bytes(gzip.compress(json.dumps({**content, "annotations": []}).encode()))
    assert Dataset(tmp_path).splits() == {"val2017": plain}
    plain.unlink()
    assert Dataset(tmp_path).splits() == {"val2017": packed}
    assert len(load_ground_truth(tmp_path, "val2017").persons[3]) == 0


def test_splits_are_found_by_image(tmp_path: Path, content: dict) -> None:
    halves = {
        "train2017": [image for image in content["images"] if image["id"] < 6],
        "val2017": [image for image in content["images"] if image["id"] >= 6],
    }
    for split, images in halves.items():
        write_dataset(tmp_path, {**content, "images": images}, split)
    truth = load_ground_truth(tmp_path, image_ids=[2, 9, 10**9])
    assert {image.id: image.split for image in truth.images.values()} == {
        2: "train2017",
        9: "val2017",
    }
    assert truth.complete == {2}
    assert load_ground_truth(tmp_path, "val2017", [2, 9]).images.keys() == {9}
    assert load_ground_truth(tmp_path).images.keys() == {i["id"] for i in content["images"]}


def test_subset(root: Path) -> None:
    truth = load_ground_truth(root).subset([3, 7, 10**9])
    assert truth.images.keys() == truth.persons.keys() == {3, 7}
    assert truth.complete == {3}


def test_without_the_key_every_image_is_complete(tmp_path: Path, content: dict) -> None:
    del content["full_real_image_ids"]
    truth = load_ground_truth(write_dataset(tmp_path, content))
    assert truth.complete == truth.images.keys()


def test_fields_that_may_be_absent(tmp_path: Path, content: dict) -> None:
    expected = load_ground_truth(write_dataset(tmp_path / "a", content))
    del content["categories"]
    for annotation in content["annotations"]:
        del annotation["num_keypoints"]
        if not annotation["iscrowd"]:
            del annotation["iscrowd"]
    found = load_ground_truth(write_dataset(tmp_path / "b", content))
    for image, persons in expected.persons.items():
        assert found.persons[image].ignore.tolist() == persons.ignore.tolist()


@pytest.mark.parametrize("folder", ["images/val2017", "val2017"])
def test_image(root: Path, folder: str) -> None:
    image = load_ground_truth(root).images[2]
    with pytest.raises(DatasetError, match="image 2 is neither"):
        Dataset(root).image_path(image)
    file = root / folder / image.file_name
    file.parent.mkdir(parents=True)
    file.touch()
    assert Dataset(root).image_path(image) == file


def test_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected annotations/person_keypoints_\{split\}"):
        load_ground_truth(tmp_path)


def test_unknown_split(root: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'test2017'; its splits are val2017"):
        load_ground_truth(root, "test2017")


def test_no_image(root: Path) -> None:
    with pytest.raises(DatasetError, match="none of the 2 images is annotated"):
        load_ground_truth(root, image_ids=[10**9, 10**9 + 1])


def damaged(root: Path, change: bytes | dict) -> GroundTruth:
    path = root / "annotations" / "person_keypoints_val2017.json"
    path.write_bytes(change if isinstance(change, bytes) else json.dumps(change).encode())
    return load_ground_truth(root)


def test_cut_off_files(root: Path, content: dict) -> None:
    whole = json.dumps(content).encode()
    for part in (whole[:500], gzip.compress(whole)[:500], b"\xff\xfe", b""):
        with pytest.raises(DatasetError, match="cut off or not JSON"):
            damaged(root, part)


def test_files_of_another_kind(root: Path, content: dict) -> None:
    with pytest.raises(DatasetError, match="not COCO keypoint ground truth"):
        damaged(root, b"[]")
    del content["annotations"][0]["area"]
    with pytest.raises(DatasetError, match="'area'"):
        damaged(root, content)


def test_wrong_number_of_keypoints(root: Path, content: dict) -> None:
    content["annotations"][0]["keypoints"] = [0] * 42
    with pytest.raises(DatasetError, match="annotation 1 has 42 values, expected 51"):
        damaged(root, content)


def test_real_ground_truth(shared_data: Path) -> None:
    truth = load_ground_truth(shared_data / "coco", "val2017")
    people = truth.persons.values()
    assert len(truth.images) == 2602
    assert len(truth.complete) == 855
    assert sum(map(len, people)) == 7491
    assert sum(int((~persons.ignore).sum()) for persons in people) == 6352
    assert sum(int(persons.iscrowd.sum()) for persons in people) == 60
    with_image = truth.images[872]
    assert Dataset(shared_data / "coco").image_path(with_image).name == with_image.file_name
