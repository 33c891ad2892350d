"""What the trainings of a run share is what each would compute alone."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import DatasetError
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import RankingSet, ranking_set, table
from rcnet_rt.training.examples import Examples
from rcnet_rt.training.splits import fold_splits
from rcnet_rt.workflows.training_data import estimator_files, load_estimators
from tests.helpers.estimators import few_images

NAMES = ["movenet", "yolov8n_320"]


@pytest.fixture(scope="module")
def estimators(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, LabeledResults]:
    files = few_images(shared_data, tmp_path_factory.mktemp("results"), NAMES, 100)
    dataset = Dataset(shared_data / "coco-val")
    return load_estimators(dataset, estimator_files(files, (), ()))


def alone(data: LabeledResults, images: tuple[int, ...], baseline: str, scale: float) -> RankingSet:
    poses = {image: data.poses[image] for image in images if image in data.poses}
    matched = table(data.ground_truth, poses, floor=0.05)
    return ranking_set(matched, data.ground_truth.skeleton, "full", baseline, scale)


def check_same(shared: RankingSet, expected: RankingSet) -> None:
    for field in fields(RankingSet):
        if field.name != "estimator":
            np.testing.assert_array_equal(
                getattr(shared, field.name), getattr(expected, field.name)
            )


@pytest.mark.parametrize("baseline", ["score_times_confidence", "score_times_joints"])
def test_each_split_has_the_numbers_that_it_has_alone(
    estimators: dict[str, LabeledResults], baseline: str
) -> None:
    data = estimators["yolov8n_320"]
    examples = Examples({"": data}, Recipe(baseline=baseline))
    for split in fold_splits(list(data.poses), 3):
        training = examples.training(split)
        scale = training.baseline_scale
        assert (scale == 1) == (baseline == "score_times_confidence")
        check_same(training.examples, alone(data, split.training, baseline, scale))
        (held_out,) = training.held_out
        check_same(held_out.examples, alone(data, split.held_out, baseline, scale))


def test_few_poses_take_more_epochs_the_same_in_all_splits(
    estimators: dict[str, LabeledResults],
) -> None:
    data = estimators["movenet"]
    examples = Examples({"": data}, Recipe(baseline="score"))
    poses = sum(len(part) for part in table(data.ground_truth, data.poses, floor=0.05).oks)
    steps = -(-poses // 128)
    assert examples.epochs == max(20, min(-(-120 // steps), 40)) > 20
    epochs = {examples.training(s).recipe.epochs for s in fold_splits(list(data.poses), 3)}
    assert epochs == {examples.epochs}
    given = Examples({"": data}, Recipe(baseline="score", epochs=7))
    assert given.training(fold_splits(list(data.poses), 3)[0]).recipe.epochs == 7


def test_augmentations_are_trained_on_and_never_held_out(
    estimators: dict[str, LabeledResults],
) -> None:
    data = estimators["yolov8n_320"]
    # With signals, images with fewer of them are augmentations too.
    entries = [{**entry, "agreement": 0.5} for entry in data.entries]
    augmented = LabeledResults(data.ground_truth, entries)
    examples = Examples({"": augmented}, Recipe(features="signals"))
    (split, *_) = fold_splits(list(data.poses), 3)
    training = examples.training(split)
    assert len(training.examples.starts) - 1 == 2 * len(split.training)
    assert len(training.held_out[0].examples.starts) - 1 == len(split.held_out)


def test_several_estimators_are_joined_and_resolved_together(
    estimators: dict[str, LabeledResults],
) -> None:
    examples = Examples(dict(reversed(estimators.items())), Recipe())
    images = {image for data in estimators.values() for image in data.poses}
    (split, *_) = fold_splits(images, 3)
    training = examples.training(split)
    assert training.recipe.floor == 0.05
    counts = [
        len([image for image in split.training if image in estimators[name].poses])
        for name in NAMES
    ]
    assert np.bincount(training.examples.estimator).tolist() == counts
    aps = [data.baseline_aps(split.training) for data in estimators.values()]
    means = {name: np.mean([each[name] for each in aps]) for name in aps[0]}
    assert training.recipe.baseline == max(means, key=means.__getitem__)
    assert len(training.held_out) == 2


def test_scores_that_pass_1_in_one_estimator_decide_for_all(
    estimators: dict[str, LabeledResults],
) -> None:
    data = estimators["movenet"]
    entries = [{**entry, "score": 10 * entry["score"]} for entry in data.entries]
    wide = LabeledResults(data.ground_truth, entries)
    examples = Examples({**estimators, "movenet": wide}, Recipe())
    (split, *_) = fold_splits(list(data.poses), 3)
    training = examples.training(split)
    assert training.recipe.floor == 0
    assert training.baseline_scale != 1


def test_skeletons_that_differ_are_told(estimators: dict[str, LabeledResults]) -> None:
    data = estimators["movenet"]
    other = replace(data.ground_truth.skeleton, name="other")
    changed = LabeledResults(replace(data.ground_truth, skeleton=other), data.entries)
    with pytest.raises(DatasetError, match="got coco17 and other"):
        Examples({"a": data, "b": changed}, Recipe())
