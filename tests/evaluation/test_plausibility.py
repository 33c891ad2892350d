"""Results that do not belong to the ground truth are refused; weak estimators are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt.datasets.coco import GroundTruth, load_ground_truth
from rcnet_rt.datasets.crowdpose import crowdpose
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.plausibility import MIN_IMAGES, check_match
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.training import fit
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.splits import Split
from tests.helpers.crowdpose import crowdpose_folder
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

Entries = list[dict[str, Any]]

# The order of OpenPose's 18 joints without the neck, as indices of COCO's joints.
OPENPOSE_ORDER = (0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)


def with_keypoints(entries: Entries, change: Callable[[np.ndarray], np.ndarray]) -> Entries:
    """Return the entries with their (K, 3) keypoints changed."""
    changed = [change(np.reshape(entry["keypoints"], (-1, 3)).copy()) for entry in entries]
    return [
        {**entry, "keypoints": points.ravel().tolist()}
        for entry, points in zip(entries, changed, strict=True)
    ]


def in_order(entries: Entries, order: Any) -> Entries:
    return with_keypoints(entries, lambda points: points[list(order)])


def shuffled(entries: Entries) -> Entries:
    images = sorted({entry["image_id"] for entry in entries})
    others = dict(zip(images, images[len(images) // 2 :] + images, strict=False))
    return [{**entry, "image_id": others[entry["image_id"]]} for entry in entries]


def normalized(entries: Entries, truth: GroundTruth) -> Entries:
    sizes = truth.image_sizes
    return [
        with_keypoints([entry], lambda points, size=sizes[entry["image_id"]]: points / (*size, 1))[
            0
        ]
        for entry in entries
        if entry["image_id"] in sizes
    ]


def with_areas(truth: GroundTruth, scale: float) -> GroundTruth:
    persons = {
        image: replace(people, areas=people.areas * scale)
        for image, people in truth.persons.items()
    }
    return replace(truth, persons=persons)


MISTAKES: dict[str, tuple[Callable[[GroundTruth, Entries], tuple[GroundTruth, Entries]], str]] = {
    "shuffled ids": (lambda truth, found: (truth, shuffled(found)), "shuffled ids"),
    "left and right swapped": (
        lambda truth, found: (truth, in_order(found, COCO17.flip_order)),
        "mirrored: joint 1 .left_eye. mostly lies at the annotated right_eye",
    ),
    "OpenPose's order": (
        lambda truth, found: (truth, in_order(found, OPENPOSE_ORDER)),
        "in another order than coco17's",
    ),
    "normalized results": (
        lambda truth, found: (truth, normalized(found, truth)),
        "coordinates of the results look normalized",
    ),
    "half the resolution": (
        lambda truth, found: (truth, with_keypoints(found, lambda points: points / (2.5, 2.5, 1))),
        "another unit",
    ),
    "areas of 0": (lambda truth, found: (with_areas(truth, 0.0), found), "median 0;"),
    "areas of NaN": (lambda truth, found: (with_areas(truth, np.nan), found), "median nan;"),
    "another category": (
        lambda truth, found: (truth, [{**entry, "category_id": 0} for entry in found]),
        "category_id 0, .* ground truth have 1",
    ),
}


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[GroundTruth, Entries]:
    entries = read_results(shared_data / "predictions" / "lightweight-openpose_val2017.json.gz")
    entries = [entry for entry in entries if entry["image_id"] < 150_000]
    images = {entry["image_id"] for entry in entries}
    return load_ground_truth(shared_data / "coco", image_ids=images), entries


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[GroundTruth, Entries]:
    content = make_content(images=60)
    folder = write_dataset(tmp_path_factory.mktemp("coco"), content)
    return load_ground_truth(folder), make_results(content)


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("source", ["made", "real"])
def test_mistakes_are_named(mistake: str, source: str, request: pytest.FixtureRequest) -> None:
    truth, entries = request.getfixturevalue(source)
    change, message = MISTAKES[mistake]
    check_match(truth, entries)
    with pytest.raises(DatasetError, match=message):
        check_match(*change(truth, entries))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_eval_and_train_refuse_them(mistake: str, made: tuple[GroundTruth, Entries]) -> None:
    change, message = MISTAKES[mistake]
    data = LabeledResults(*change(*made))
    with pytest.raises(DatasetError, match=message):
        compare(data.ground_truth, data.entries, data.scores, data.scores, resamples=1)
    split = Split("training", tuple(data.poses), ())
    with pytest.raises(DatasetError, match=message):
        fit.fit(data, Recipe(epochs=1), split, name="test")


def test_the_scores_do_not_matter(real: tuple[GroundTruth, Entries]) -> None:
    truth, entries = real
    check_match(truth, [{**entry, "score": -entry["score"]} for entry in entries])


def test_a_few_images_or_none_allow_no_conclusion(made: tuple[GroundTruth, Entries]) -> None:
    truth, entries = made
    images = [i for i, people in truth.persons.items() if not people.ignore.all()][:MIN_IMAGES]
    wrong = with_keypoints(entries, lambda points: np.add(points, (1e4, 1e4, 0)))
    few = [entry for entry in wrong if entry["image_id"] in images[:-1]]
    check_match(truth, few)
    check_match(truth, [])
    nobody = replace(truth, persons={i: people[:0] for i, people in truth.persons.items()})
    check_match(nobody, wrong)


@pytest.mark.slow
@pytest.mark.parametrize("truth", ["coco", "coco-val"])
def test_real_results_pass(shared_data: Path, truth: str) -> None:
    """Every shared results file with both ground truths, and small random parts of each."""
    random = np.random.default_rng(0)
    files = sorted(shared_data.glob("predictions/**/*.json.gz"))
    if truth == "coco-val":
        files = [file for file in files if "train2017" not in file.name]
    for file in files:
        entries = read_results(file)
        images = sorted({entry["image_id"] for entry in entries})
        known = load_ground_truth(shared_data / truth, image_ids=images)
        check_match(known, entries)
        for size in (5, 8, 12, 20, 50):
            chosen = set(random.choice(images, size).tolist())
            check_match(known, [entry for entry in entries if entry["image_id"] in chosen])


@pytest.mark.parametrize(
    ("case", "found", "expected"),
    [("ev_gt_cat1_res_cat0", 0, 1), ("ev_gt_cat3_res_cat1", 1, 3)],
)
def test_published_cases_of_other_categories(
    shared_data: Path, case: str, found: int, expected: int
) -> None:
    folder = shared_data.parent / "cases" / "truth" / case
    if not folder.is_dir():
        pytest.skip(f"case not here: {folder}")
    entries = read_results(folder / "res.json")
    truth = load_ground_truth(folder, image_ids={entry["image_id"] for entry in entries})
    with pytest.raises(DatasetError, match=f"category_id {found}, .* have {expected}"):
        check_match(truth, entries)


def test_simulated_results_on_crowds_pass(shared_data: Path, tmp_path: Path) -> None:
    folder, results = crowdpose_folder(shared_data, tmp_path, every=10)
    truth, entries = crowdpose(folder).ground_truth(), read_results(results)
    check_match(truth, entries)
    with pytest.raises(DatasetError, match="mirrored"):
        check_match(truth, in_order(entries, truth.skeleton.flip_order))
