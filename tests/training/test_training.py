"""From real predictions to weights: targets, learning, resuming, held-out figures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rcnet_rt import WeightsError
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.guarantees import guaranteed_threshold
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.thresholds import PRECISION, Requirement
from rcnet_rt.poses.mirror import mirror
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.correct_probability import CorrectProbability
from rcnet_rt.rescoring.feature_groups import of_groups
from rcnet_rt.training import cross_validation, fit
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.correct_probability import fit_correct_probability, reported_poses
from rcnet_rt.training.cross_validation import calibrate, hold_out, recalibrated
from rcnet_rt.training.dataset import RankingSet, join, ranking_set, select, table
from rcnet_rt.training.examples import embedding_size
from rcnet_rt.training.loop import _batches, train
from rcnet_rt.training.splits import Split, fold_splits, fraction_split

QUICK = replace(PRESETS["residual"], epochs=3, feedforward=16, learning_rate=3e-3, average=0.9)


@pytest.fixture(scope="module")
def data(shared_data):
    entries = read_results(shared_data / "predictions" / "lightweight-openpose_val2017.json.gz")
    entries = [entry for entry in entries if entry["image_id"] < 150_000]
    images = {entry["image_id"] for entry in entries}
    return LabeledResults(load_ground_truth(shared_data / "coco", image_ids=images), entries)


@pytest.fixture(scope="module")
def examples(data):
    poses = table(data.ground_truth, data.poses)
    return ranking_set(poses, COCO17, "full", "score_times_joints", 5.0)


def test_targets_are_matched_oks(data):
    poses = table(data.ground_truth, data.poses, max_poses=1000)
    for entries, oks in zip(poses.entries, poses.oks, strict=True):
        np.testing.assert_allclose(data.match.target[entries], oks, atol=1e-5)


def test_unsure_poses_weigh_less_and_those_of_crowds_nothing(data):
    poses = table(data.ground_truth, data.poses, unmatched_weight=0.3)
    for image, oks, weights in zip(poses.image_ids, poses.oks, poses.weights, strict=True):
        allowed = {0.0, 1.0} if image in data.ground_truth.complete else {0.0, 0.3, 1.0}
        assert set(weights) <= allowed
        assert (weights[oks > 0.5] == 1).all()
        if image not in data.ground_truth.complete:
            assert (weights[oks < 0.1] < 1).all()


def test_floor_and_the_most_poses_of_an_image(data):
    poses = table(data.ground_truth, data.poses, floor=0.5, max_poses=2)
    for entries in poses.entries:
        assert len(entries) <= 2
        assert (data.scores[entries] >= 0.5).all()


def test_a_mirror_of_a_mirror_is_the_pose(random_poses):
    once = mirror(random_poses, COCO17, 640)
    assert once.keypoints[0, 2, 0] == pytest.approx(640 - random_poses.keypoints[0, 1, 0])
    twice = mirror(once, COCO17, 640)
    for name in ("keypoints", "boxes", "keypoint_scores"):
        np.testing.assert_allclose(getattr(twice, name), getattr(random_poses, name), atol=1e-3)
    assert (once.boxes[:, 2] > once.boxes[:, 0]).all()


def test_batches_hold_every_image_once_and_whole(examples):
    order, sizes = _batches(examples.starts, examples.estimator, np.random.default_rng(0), 64)
    rows = np.split(order, np.cumsum(sizes)[:-1])
    assert sorted(np.concatenate(rows)) == list(range(len(examples)))
    images = [set(examples.image[batch]) for batch in rows]
    assert sum(map(len, images)) == len(set().union(*images))
    assert all(len(batch) < 64 + 20 for batch in rows)


@pytest.mark.parametrize("seed", range(3))
def test_images_without_poses_make_no_step(seed):
    starts = np.array([0, 0, 3, 3, 5, 5])
    order, sizes = _batches(starts, np.zeros(len(starts) - 1, int), np.random.default_rng(seed), 2)
    assert sorted(order) == list(range(5))
    assert sorted(sizes) == [2, 3]


def test_training_lowers_the_loss_and_the_seed_decides(examples):
    losses = []
    first = train(QUICK, examples, on_epoch=lambda epoch: losses.append(epoch.loss))
    assert losses[-1] < losses[0]
    again, other = train(QUICK, examples), train(replace(QUICK, seed=1), examples)
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize("architecture", ["attention", "mlp", "linear"])
def test_an_interrupted_run_ends_with_the_same_weights(examples, tmp_path, architecture):
    recipe = replace(QUICK, architecture=architecture)

    class InterruptError(Exception):
        pass

    def interrupt(epoch):
        if epoch.number == 2:
            raise InterruptError

    whole = train(recipe, examples)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InterruptError):
        train(recipe, examples, checkpoint=path, on_epoch=interrupt)
    resumed = train(recipe, examples, checkpoint=path)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_checkpoint_of_another_network_is_told(examples, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    train(replace(QUICK, epochs=1), examples, checkpoint=path)
    with pytest.raises(WeightsError, match="does not fit this run"):
        train(replace(QUICK, architecture="linear"), examples, checkpoint=path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match="does not fit this run"):
        train(QUICK, examples, checkpoint=path)


def test_a_loss_that_explodes_is_told(examples):
    broken = replace(examples, targets=examples.targets * np.float32(np.nan))
    with pytest.raises(WeightsError, match="smaller learning rate"):
        train(QUICK, broken)


def test_weights_that_are_not_finite_are_never_returned(examples):
    """The last step may diverge after the last loss was checked."""
    recipe = replace(QUICK, epochs=1, learning_rate=1e38, warmup_steps=0, poses_per_step=10**9)
    with pytest.raises(WeightsError, match="weights are not finite"):
        train(replace(recipe, weight_decay=10.0), examples)


def test_without_a_correct_pose_nothing_is_trained(data, monkeypatch):
    monkeypatch.setattr(LabeledResults, "check", lambda self: None)  # that comes first
    wrong = [{**entry, "keypoints": [1.0] * 51} for entry in data.entries]
    split = Split("training", tuple(data.poses), ())
    with pytest.raises(DatasetError, match="there is nothing to learn"):
        fit.fit(LabeledResults(data.ground_truth, wrong), QUICK, split, name="test")


def test_nothing_to_learn_from_is_told(data):
    poses = table(data.ground_truth, data.poses, floor=1.8)
    with pytest.raises(WeightsError, match="at least 2 poses"):
        train(QUICK, ranking_set(poses, COCO17, "full", "score", 1.0))


def test_folds_hold_every_image_out_once():
    images = range(100, 117)
    splits = fold_splits(images, 5)
    assert sorted(i for split in splits for i in split.held_out) == list(images)
    for split in splits:
        assert not set(split.training) & set(split.held_out)
        assert set(split.training) | set(split.held_out) == set(images)
    assert splits == fold_splits(images[::-1], 5)
    assert splits != fold_splits(images, 5, seed=1)
    for folds in (1, 18):
        with pytest.raises(DatasetError, match="images allow 2 to"):
            fold_splits(images, folds)


def test_a_fraction_must_leave_both_sides_some():
    split = fraction_split(range(10), 0.3)
    assert (len(split.training), len(split.held_out)) == (7, 3)
    with pytest.raises(DatasetError, match="both need at least one"):
        fraction_split(range(10), 0.01)


def test_results_of_other_images_are_told(data, shared_data):
    other = replace(data, entries=[{**data.entries[0], "image_id": 1}])
    with pytest.raises(DatasetError, match="no image of the results is in the ground truth"):
        _ = other.poses


def test_held_out_scores_are_those_of_refine_and_gain(data):
    """Two folds of real predictions: unseen images must gain over the raw score."""
    recipe = replace(PRESETS["residual"], epochs=15)
    splits = fold_splits(list(data.poses), 2)
    parts = [(split, fit.fit(data, recipe, split, name="test")) for split in splits]
    held_out = hold_out(data, parts)
    assert sorted(held_out.entries) == sorted(
        index for item in data.poses.values() for index in item.entries
    )
    scores = data.scores.copy() - 10
    scores[held_out.entries] = held_out.refined
    ap = data.average_precision.ap
    assert ap(scores) > ap(data.scores) + 0.005

    weights = calibrate(data, held_out, parts[0][1])
    order = np.argsort(held_out.refined)
    again = recalibrated(
        held_out.refined, data.scores[held_out.entries], weights.calibration, weights.floor
    )
    assert (np.diff(again[order]) >= 0).all()
    assert 0 < weights.thresholds["auto"] < weights.thresholds["p95"] <= 1


def test_the_guaranteed_threshold_is_that_of_the_held_out_images(data, monkeypatch):
    monkeypatch.setattr(cross_validation, "GUARANTEED_PRECISION", 0.6)
    recipe = replace(PRESETS["residual"], epochs=2)
    splits = fold_splits(list(data.poses), 2)
    parts = [(split, fit.fit(data, recipe, split, name="test")) for split in splits]
    held_out = hold_out(data, parts)
    weights = calibrate(data, held_out, parts[0][1])
    raw, scores = data.scores[held_out.entries], np.zeros(len(data.entries))
    scores[held_out.entries] = recalibrated(
        held_out.refined, raw, weights.calibration, weights.floor
    )
    expected = guaranteed_threshold(data.scored_images(scores), Requirement(PRECISION, 0.6))
    assert expected.point is not None
    assert weights.thresholds["guaranteed"] == pytest.approx(expected.point.threshold)
    record = {"precision": 0.6, "at_oks": 0.5, "assurance": 0.95, "images": len(data.poses)}
    assert weights.training["guarantee"] == {**record, "images_needed": None}

    monkeypatch.setattr(cross_validation, "GUARANTEED_PRECISION", 0.999)
    refused = calibrate(data, held_out, parts[0][1])
    assert refused.thresholds.keys() == {"auto", "p95"}
    assert refused.training["guarantee"]["precision"] == 0.999


def test_the_probability_of_a_true_positive_is_stored(data):
    recipe = replace(PRESETS["residual"], epochs=2)
    parts = [(s, fit.fit(data, recipe, s, name="test")) for s in fold_splits(list(data.poses), 2)]
    held_out = hold_out(data, parts)
    weights = calibrate(data, held_out, parts[0][1])
    raw = data.scores[held_out.entries]
    scores = recalibrated(held_out.refined, raw, weights.calibration, weights.floor)
    reported = reported_poses(data, held_out.entries, scores, sorted(data.poses), weights.floor)
    learned = CorrectProbability.of(weights)
    assert learned == fit_correct_probability([reported])
    assert learned.images == len(data.poses)
    right = reported.oks >= 0.5
    assert learned.found == pytest.approx(right.sum() / reported.people.sum())
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 1.0)):
        some = (reported.scores >= low) & (reported.scores < high)
        assert learned(reported.scores[some]).mean() == pytest.approx(right[some].mean(), abs=0.05)


def test_embeddings_that_know_the_oks_are_learned_from(data):
    """Synthetic: the matched OKS with noise is one of the values, the others are noise alone."""
    noise = np.random.default_rng(0).normal(0, 1, (len(data.entries), 4))
    noise[:, 2] = data.match.target + 0.1 * noise[:, 2]
    entries = [
        {**entry, "embedding": row} for entry, row in zip(data.entries, noise.tolist(), strict=True)
    ]
    for entry in entries[::10]:
        del entry["embedding"]
    seeing = LabeledResults(data.ground_truth, entries)
    splits = fold_splits(list(data.poses), 2)
    aps = {}
    for features in ("paper", "paper+visual"):
        recipe = replace(PRESETS["residual"], features=features, epochs=15)
        parts = [(split, fit.fit(seeing, recipe, split, name="test")) for split in splits]
        held_out = hold_out(seeing, parts)
        scores = data.scores.copy() - 10
        scores[held_out.entries] = held_out.refined
        aps[features] = data.average_precision.ap(scores)
    assert aps["paper+visual"] > aps["paper"] + 0.01


def test_visual_features_without_embeddings_of_one_size_are_told(data):
    split = Split("training", tuple(data.poses), ())
    recipe = replace(PRESETS["paper"], features="full+visual", epochs=1)
    with pytest.raises(DatasetError, match=r"no embeddings, .* or train with --features full$"):
        fit.fit(data, recipe, split, name="test")
    first, last = data.entries[0], data.entries[-1]
    entries = [{**first, "embedding": [1.0]}, {**last, "embedding": [1.0, 2.0]}]
    with pytest.raises(DatasetError, match="embeddings of 1 and of 2 values"):
        embedding_size([LabeledResults(data.ground_truth, entries)], recipe)


def test_the_paper_preset_is_the_papers(examples, data):
    recipe = replace(PRESETS["paper"], epochs=1)
    split = Split("training", tuple(data.poses), ())
    weights = fit.fit(data, recipe, split, name="paper")
    config = weights.network_config()
    assert (config.output, config.feature_count, config.feedforward) == ("plain", 75, 2048)
    parameters = sum(
        tensor.size for name, tensor in weights.tensors.items() if "standardise" not in name
    )
    assert parameters == 69_985


def test_recipes_refuse_nonsense():
    for fault in ({"epochs": 0}, {"learning_rate": 0.0}, {"margin": 2.0}, {"positive": 0.0}):
        with pytest.raises(WeightsError):
            Recipe(**fault)


def _two_estimators() -> RankingSet:
    def part(value, counts):
        column = np.full(sum(counts), value, np.float32)
        images = np.repeat(np.arange(len(counts)), counts)
        starts = np.cumsum([0, *counts])
        estimator = np.zeros(len(counts), np.int64)
        return RankingSet(
            column[:, None], column[:, None], *[column] * 3, images, starts, estimator
        )

    return join([part(1.0, [1, 2, 3, 1]), part(2.0, [1, 1, 4])])


def test_joined_ranking_sets_keep_their_images():
    both = _two_estimators()
    assert both.starts.tolist() == [0, 1, 3, 6, 7, 8, 9, 13]
    assert both.image.tolist() == [0, 1, 1, 2, 2, 2, 3, 4, 5, 6, 6, 6, 6]
    assert both.estimator.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert both.features[:, 0].tolist() == [1] * 7 + [2] * 6


def test_selected_images_keep_their_rows():
    part = select(_two_estimators(), np.array([2, 6]))
    assert part.starts.tolist() == [0, 3, 7]
    assert part.image.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert part.estimator.tolist() == [0, 1]
    assert part.features[:, 0].tolist() == [1, 1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_has_poses_of_one_estimator(seed):
    data = _two_estimators()
    rows, sizes = _batches(data.starts, data.estimator, np.random.default_rng(seed), 3)
    assert sorted(rows) == list(range(len(data)))
    found = [set(data.estimator[data.image[part]]) for part in np.split(rows, np.cumsum(sizes))]
    assert all(len(estimators) == 1 for estimators in found[:-1])
    for image in range(len(data.estimator)):  # whole, within one batch
        batch = np.repeat(np.arange(len(sizes)), sizes)[
            np.isin(rows, np.flatnonzero(data.image == image))
        ]
        assert len(set(batch)) == 1


@pytest.mark.parametrize("architecture", ["attention", "mlp", "linear"])
def test_features_without_information_in_training_are_never_read(data, architecture):
    split = fraction_split(data.poses, 0.2)
    recipe = replace(QUICK, architecture=architecture, epochs=1, without=("links", "size"))
    weights = fit.fit(data, recipe, split, name="without")
    hidden = of_groups("full", COCO17, recipe.without)
    known = np.setdiff1d(np.arange(weights.network_config().feature_count), hidden)
    first = {"attention": "phi", "mlp": "layers.0", "linear": "head"}[architecture]
    assert (weights.tensors[f"{first}.weight"][:, hidden] == 0).all()
    assert (weights.tensors[f"{first}.weight"][:, known] != 0).any(axis=0).sum() > len(known) / 2


def test_an_unknown_feature_group_is_refused(data):
    recipe = replace(QUICK, without=("colour",))
    with pytest.raises(WeightsError, match="unknown feature group colour; known are score, links"):
        fit.fit(data, recipe, fraction_split(data.poses, 0.2), name="x")
