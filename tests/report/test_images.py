from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.report.images import MAX_POSES_DRAWN, Image, compare_images
from rcnet_rt.report.numbers import ImageChange, Pair
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

CHANGES = [ImageChange(image, 1, Pair(0.5, 0.6)) for image in (3, 1, 2, 5)]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """With images of images 1, 2 and 3, of which that of 1 is damaged."""
    content = make_content()
    root = write_dataset(tmp_path, content)
    (root / "val2017").mkdir()
    for image, size in zip(content["images"][:3], (0, 1, 60), strict=True):
        path = root / "val2017" / image["file_name"]
        path.write_bytes(b"")
        if size:
            cv2.imwrite(str(path), np.full((size, 2 * size, 3), 90, dtype=np.uint8))
    return Dataset(root)


def drawn(
    dataset: Dataset, entries: list[dict], most: int = 9
) -> tuple[LabeledResults, list[Image]]:
    data = LabeledResults(dataset.ground_truth(), entries)
    return data, list(compare_images(data, data.match.target, CHANGES, dataset, most))


def test_those_that_can_be_read_in_order_and_not_too_many(dataset: Dataset) -> None:
    entries = make_results(make_content())
    assert [comparison.image.id for comparison in drawn(dataset, entries)[1]] == [3, 2]
    assert [comparison.image.id for comparison in drawn(dataset, entries, most=1)[1]] == [3]


def test_an_order_holds_the_highest_scores_with_their_truth(dataset: Dataset) -> None:
    data, (comparison, _) = drawn(dataset, make_results(make_content()))
    rows = data.poses[3].entries
    for order, scores in (
        (comparison.orders.before, data.scores[rows]),
        (comparison.orders.after, data.match.target[rows]),
    ):
        assert [place.number for place in order.places] == list(range(1, len(order.places) + 1))
        assert len(order.places) <= MAX_POSES_DRAWN
        found = [place.score for place in order.places]
        assert found == sorted(scores, reverse=True)[: len(found)]
        for place in order.places:
            if place.state != "ignored":
                assert place.state == ("true" if place.oks >= 0.5 else "false")
        image = cv2.imdecode(np.frombuffer(order.png, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape[1] == pytest.approx(2 * image.shape[0], abs=1)
    right = (data.match.target[rows] >= 0.5).sum()
    assert [p.state for p in comparison.orders.after.places[:right]] == ["true"] * right


def test_poses_on_crowds_are_unknown(dataset: Dataset) -> None:
    data, _ = drawn(dataset, make_results(make_content()))
    data.match.weight[data.poses[3].entries[0]] = 0
    scores = np.zeros(len(data.entries))
    scores[data.poses[3].entries[0]] = 1
    (comparison,) = compare_images(data, scores, CHANGES[:1], dataset, 1)
    assert comparison.orders.after.places[0].state == "ignored"


def test_absurd_coordinates_and_lost_joints_can_be_drawn(dataset: Dataset) -> None:
    entries = make_results(make_content())
    for number, entry in enumerate(entry for entry in entries if entry["image_id"] == 3):
        x = (1e30, -1e30, 0)[number % 3]
        entry["keypoints"] = [x, x, 0.0 if x == 0 else 1.0] * 17
    _, found = drawn(dataset, entries)
    assert len(found) == 2


def test_it_says_where_annotations_are_not_complete(dataset: Dataset) -> None:
    data, _ = drawn(dataset, make_results(make_content()))
    truth = replace(data.ground_truth, complete=frozenset({2}))
    found = compare_images(replace(data, ground_truth=truth), data.scores, CHANGES, dataset, 9)
    assert {comparison.image.id: comparison.complete for comparison in found} == {3: False, 2: True}
