"""Altered copies: what an estimator finds on one stands where it was on the original."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from rcnet_rt import DatasetError
from rcnet_rt.datasets.augment import (
    Augmentation,
    augment,
    persons_in_augmentation,
    poses_by_augmentation,
)
from rcnet_rt.datasets.coco import GroundTruth, Image, Persons
from rcnet_rt.datasets.results import poses_to_entries
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from rcnet_rt.training.dataset import table

SIZE = (320, 240)


def dot(x, y):
    pixels = np.full((SIZE[1], SIZE[0], 3), 20, np.uint8)
    cv2.circle(pixels, (x, y), 6, (0, 0, 255), -1)
    return pixels


def reddest(pixels):
    red = pixels[..., 2].astype(np.float32) - pixels[..., 0]
    blurred = cv2.GaussianBlur(red, (0, 0), 4)
    rows, columns = np.nonzero(blurred >= blurred.max() - 1e-3)
    return np.array([columns.mean(), rows.mean()])


def test_a_copy_shows_the_image_where_it_says():
    seen = 0
    for number in range(30):
        altered, copy = augment(dot(150, 100), number, (7,))
        assert altered.shape == (SIZE[1], SIZE[0], 3)
        expected = np.array([150.5, 100.5]) * copy.scale + copy.offset
        if (expected > 15).all() and (expected < np.array(SIZE) - 15).all():
            assert np.abs(reddest(altered) - expected).max() < 4
            seen += 1
    assert seen > 15


def test_the_seed_decides():
    first, other = (augment(dot(50, 50), 0, (seed,)) for seed in (1, 2))
    again = augment(dot(50, 50), 0, (1,))
    assert np.array_equal(first[0], again[0])
    assert first[1] == again[1] != other[1]


def test_there_and_back(random_poses):
    copy = Augmentation(3, (0.6, 0.61), (12.0, -7.0))
    back = copy.original(copy.seen(random_poses))
    np.testing.assert_allclose(back.keypoints, random_poses.keypoints, atol=1e-3)
    np.testing.assert_allclose(back.boxes, random_poses.boxes, atol=1e-3)
    assert Augmentation.read(copy.written()) == copy


def people_of(poses):
    count = len(poses)
    return Persons(
        keypoints=poses.keypoints.astype(np.float64),
        visible=np.ones((count, 17), bool),
        occluded=np.zeros((count, 17), bool),
        areas=np.full(count, 5000.0),
        boxes=poses.boxes.astype(np.float64),
        iscrowd=np.zeros(count, bool),
        ignore=np.zeros(count, bool),
        annotation_ids=np.arange(count),
    )


def test_people_are_seen_as_far_as_they_are_on_the_copy(random_poses):
    people = people_of(random_poses)
    same = persons_in_augmentation(Augmentation(0, (1.0, 1.0), (0.0, 0.0)), people, (640, 480))
    assert same.visible.all()
    assert same.areas == pytest.approx(people.areas)
    middle = float(np.median(people.keypoints[0, :, 0]))
    cut = persons_in_augmentation(
        Augmentation(0, (2.0, 2.0), (-2 * middle, 0.0)), people, (640, 960)
    )
    first = int(np.flatnonzero(cut.annotation_ids == 0)[0])
    assert np.array_equal(cut.visible[first], people.keypoints[0, :, 0] >= middle)
    assert 0 < cut.areas[first] < people.areas[0]
    assert (
        len(persons_in_augmentation(Augmentation(0, (1.0, 1.0), (5000.0, 0.0)), people, (640, 480)))
        == 0
    )


def test_copies_join_the_images_that_they_are_copies_of(random_poses):
    copies = [Augmentation(number, (0.5, 0.5), (10.0 * number, 0.0)) for number in range(2)]
    entries = [
        {**entry, "copy": copy.written()}
        for copy in copies
        for entry in poses_to_entries(random_poses, 1)
    ]
    by_copy = poses_by_augmentation(entries, COCO17)
    assert [item.augmentation for item in by_copy[1]] == copies
    image = Image(1, "1.jpg", 640, 480, "val2017")
    truth = GroundTruth(COCO17, {1: image}, {1: people_of(random_poses)}, frozenset({1}))
    original = replace(by_copy[1][0].poses, poses=random_poses)
    learned = table(truth, {1: original}, by_copy)
    assert learned.image_ids.tolist() == [1, 1, 1]
    for oks in learned.oks:
        assert oks == pytest.approx([1.0] * 5, abs=1e-4)
    halves = learned.batches[1].boxes[:, 2:] - learned.batches[1].boxes[:, :2]
    whole = learned.batches[0].boxes[:, 2:] - learned.batches[0].boxes[:, :2]
    np.testing.assert_allclose(halves, whole / 2, rtol=1e-4)


def test_a_network_sees_some_images_without_their_signals(random_poses):
    consensus = np.full((5, len(CONSENSUS)), 0.5)
    poses = replace(random_poses, consensus=consensus, agreement=np.full(5, 0.7))
    copies = [Augmentation(number, (1.0, 1.0), (5.0, 0.0)) for number in range(4)]
    of_copies = [
        {**entry, "copy": copy.written()} for copy in copies for entry in poses_to_entries(poses, 1)
    ]
    image = Image(1, "1.jpg", 640, 480, "val2017")
    truth = GroundTruth(COCO17, {1: image}, {1: people_of(random_poses)}, frozenset({1}))
    views = LabeledResults(
        truth, poses_to_entries(poses, 1), of_copies
    ).augmentations_with_fewer_signals[1]
    known = [
        (view.augmentation is None, item.consensus is not None, item.agreement is not None)
        for view in views
        for item in [view.poses.poses]
    ]
    assert known[:4] == [(False, True, True)] * 2 + [(False, False, False), (False, True, True)]
    assert known[4:] == [(True, False, False), (True, True, False)]  # of the image itself
    assert LabeledResults(
        truth, poses_to_entries(random_poses, 1)
    ).augmentations_with_fewer_signals == {1: []}


def test_results_without_copies_are_told(random_poses):
    entries = poses_to_entries(random_poses, 1)
    with pytest.raises(DatasetError, match="not of an augmentation"):
        poses_by_augmentation(entries, COCO17)
    with pytest.raises(DatasetError, match="expected number, scale and offset"):
        poses_by_augmentation([{**entries[0], "copy": {"scale": 3}}], COCO17)
