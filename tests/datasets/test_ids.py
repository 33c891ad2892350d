"""Ids of images: any JSON number or text, and names of files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.ground_truth import match_ids
from rcnet_rt.datasets.ids import ImageIndex, id_fault, number_of
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.average_precision import AveragePrecision
from rcnet_rt.evaluation.labeled_results import LabeledResults
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

Change = Callable[[int], Any]


def same(image: int) -> int:
    return image


def text(image: int) -> str:
    return f"img-{image}"


def digits(image: int) -> str:
    return str(image)


def whole_float(image: int) -> float:
    return float(image)


def huge(image: int) -> int:
    return 2**64 + image


def digits_of_huge(image: int) -> str:
    return str(2**64 + image)


def half(image: int) -> float:
    return image + 0.5


def file_name(image: int) -> str:
    return f"{image:012}.jpg"


def stem(image: int) -> str:
    return f"{image:012}"


def path(image: int) -> str:
    return f"images/val2017/{image:012}.jpg"


@pytest.mark.parametrize(
    ("annotated", "given"),
    [
        (same, digits),
        (same, whole_float),
        (same, file_name),
        (same, stem),
        (same, path),
        (text, text),
        (text, file_name),
        (digits, same),
        (whole_float, same),
        (huge, huge),
        (huge, digits_of_huge),
        (half, half),
    ],
)
def test_results_find_their_images(tmp_path: Path, annotated: Change, given: Change) -> None:
    content = make_content()
    entries = make_results(content)
    expected = _figures(tmp_path / "plain", content, entries)
    for image in content["images"]:
        image["id"] = annotated(image["id"])
    for number, annotation in enumerate(content["annotations"]):
        annotation["image_id"] = annotated(annotation["image_id"])
        annotation["id"] = [f"a{number}", 2**70 + number, number + 0.5][number % 3]
    content.pop("full_real_image_ids")
    named = [{**entry, "image_id": given(entry["image_id"])} for entry in entries]
    assert _figures(tmp_path / "named", content, named) == expected


def _figures(root: Path, content: dict, entries: list[dict]) -> tuple[float, list[float]]:
    write_dataset(root, content)
    truth = load_ground_truth(root, image_ids={entry["image_id"] for entry in entries})
    data = LabeledResults(truth, entries)
    # No two are equal: of equal scores the order of the images decides, which numbers change.
    scores = [entry["score"] + number * 1e-6 for number, entry in enumerate(entries)]
    judge = AveragePrecision(truth, data.entries)
    assert len(judge.images) == len({entry["image_id"] for entry in entries})
    return judge.evaluate(scores).ap, data.match.target.tolist()


@pytest.mark.parametrize("value", [None, True, [1], {}, float("nan"), float("inf")])
def test_what_is_no_id(value: Any, tmp_path: Path) -> None:
    assert "expected a number or text" in str(id_fault(value))
    content = make_content()
    content["images"][0]["id"] = value
    with pytest.raises(DatasetError, match=r"is damaged: an image has id|NaN"):
        load_ground_truth(write_dataset(tmp_path, content))


def test_numbers_that_stand_for_ids() -> None:
    assert [number_of(value) for value in (7, 7.0, -1, 2**63 - 1)] == [7, 7, -1, 2**63 - 1]
    others = [2**64, 2**64 + 1, "7", "a", "b", 0.5]
    numbers = {number_of(value) for value in others}
    assert len(numbers) == len(others)
    assert all(0 <= number < 2**52 for number in numbers)


def test_a_name_of_several_images() -> None:
    index = ImageIndex([(1, "left/a.jpg"), (2, "right/a.jpg"), (3, "b.jpg")])
    assert [index.find(name) for name in ("right/a.jpg", "b", 3, "3", "c.jpg", 4)] == [
        1,
        2,
        2,
        2,
        None,
        None,
    ]
    with pytest.raises(DatasetError, match=r"'a\.jpg' may be any of 2 images of that name"):
        index.find("a.jpg")


@pytest.mark.parametrize(("annotated", "given"), [(1, 0), (3, 1), (1, "person")])
def test_categories_that_do_not_meet(tmp_path: Path, annotated: int, given: Any) -> None:
    content = make_content()
    content["categories"][0]["id"] = annotated
    for annotation in content["annotations"]:
        annotation["category_id"] = annotated
    entries = [{**entry, "category_id": given} for entry in make_results(content)]
    truth = load_ground_truth(write_dataset(tmp_path, content))
    message = f"the results have category_id {given}, and people have category_id {annotated}"
    with pytest.raises(DatasetError, match=message):
        AveragePrecision(truth, entries)
    with pytest.raises(DatasetError, match=message):
        _ = LabeledResults(truth, entries).match
    mixed = [*entries, *make_results(content)]
    for entry in mixed[len(entries) :]:
        entry["category_id"] = annotated
    assert AveragePrecision(truth, mixed).evaluate([0.5] * len(mixed)).ap > 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("area", float("nan")),
        ("area", "5"),
        ("area", None),
        ("area", -1.0),
        ("area", [5]),
        ("bbox", [0, 0, float("inf"), 5]),
        ("bbox", [0, 0, "5", 5]),
        ("bbox", [0, 0, 5]),
        ("keypoints", [float("nan"), 1, 2] * 17),
        ("keypoints", [1, 1, -1] * 17),
        ("keypoints", [1, 1, 9] * 17),
        ("keypoints", [1, 1, 0.5] * 17),
        ("keypoints", ["1", 1, 2] * 17),
        ("keypoints", [1, 1, 2] * 16),
    ],
)
def test_annotations_with_impossible_values(tmp_path: Path, key: str, value: Any) -> None:
    content = make_content()
    content["annotations"][4][key] = value
    root = write_dataset(tmp_path, content)
    with pytest.raises(DatasetError, match=r"is damaged: annotation 5 has "):
        load_ground_truth(root)


@pytest.mark.parametrize("size", [0, -4, 1.5, "640", None, True])
def test_images_with_impossible_sizes(tmp_path: Path, size: Any) -> None:
    content = make_content()
    content["images"][2]["width"] = size
    with pytest.raises(DatasetError, match="expected whole numbers above 0"):
        load_ground_truth(write_dataset(tmp_path, content))


@pytest.mark.parametrize(
    "case",
    [
        "ev_huge_ann_ids",
        "ev_huge_image_ids",
        "ev_results_digit_strings",
        "ev_results_file_names",
        "ev_string_ann_ids",
        "ev_string_gt",
    ],
)
def test_shared_cases_of_ids(shared_data: Path, case: str) -> None:
    root = shared_data.parent / "cases" / "truth" / case
    if not root.is_dir():
        pytest.skip(f"{root} is not here")
    entries = json.loads((root / "res.json").read_text())
    truth = load_ground_truth(root, image_ids={entry["image_id"] for entry in entries})
    matched = match_ids(entries, truth)
    assert {entry["image_id"] for entry in matched} <= truth.images.keys()
    scores = [entry["score"] for entry in matched]
    assert 0.3 < AveragePrecision(truth, matched).evaluate(scores).ap < 0.6
