"""Score conventions: read from words and numbers, and weights made for others are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.results import poses_by_image, read_results
from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.score_convention import (
    ABOVE_0,
    ANY_SIGN,
    CONSTANT_JOINTS,
    INDEPENDENT,
    JOINTS,
    NO_JOINTS,
    POSES,
    PRODUCT,
    RELATIONS,
    UNBOUNDED_JOINTS,
    UNIT,
    UNIT_JOINTS,
    ScoreConvention,
    check_convention,
)
from rcnet_rt.rescoring.weights import baseline
from rcnet_rt.workflows.scoring import load_scoring
from tests.helpers.networks import random_weights


def poses(scores=(0.2, 0.9), joints=(0.1, 0.8), **more) -> Poses:
    given = None if joints is None else np.resize(joints, (len(scores), 17))
    return Poses(np.ones((len(scores), 17, 2)), scores, keypoint_scores=given, **more)


@pytest.mark.parametrize("pose_part", POSES)
@pytest.mark.parametrize("joint_part", [*JOINTS, None])
@pytest.mark.parametrize("relation", [*RELATIONS, None])
def test_words_and_back(pose_part: str, joint_part: str | None, relation: str | None) -> None:
    convention = ScoreConvention(pose_part, joint_part, relation)
    read = ScoreConvention.parse(str(convention))
    assert (read, read.relation) == (convention, relation)


@pytest.mark.parametrize("text", ["any: the higher, the better", "any", "", "logits"])
def test_other_words_say_nothing(text: str) -> None:
    assert ScoreConvention.parse(text) == ScoreConvention(None, None)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (poses(), (UNIT, UNIT_JOINTS)),
        (poses((0.2, 1.84), None), (ABOVE_0, NO_JOINTS)),
        (poses((0.2, 1.05), (0.5, 1.04)), (UNIT, UNIT_JOINTS)),
        (poses((-3.0, 4.0), (0.7311, 0.7311)), (ANY_SIGN, CONSTANT_JOINTS)),
        (poses((0.5, 0.6), (-4.0, 12.0)), (UNIT, UNBOUNDED_JOINTS)),
        (poses((0.5, np.nan), (0.5, np.inf, 0.6)), (UNIT, UNIT_JOINTS)),
        (poses((0.2, 0.3), raw_scores=(0.2, 7.0)), (ABOVE_0, UNIT_JOINTS)),
    ],
)
def test_what_numbers_show(image: Poses, expected: tuple) -> None:
    assert ScoreConvention.of([image]) == ScoreConvention(*expected)


@pytest.mark.parametrize(
    ("factor", "count", "relation"),
    [(0.9, 50, PRODUCT), (1.2, 50, INDEPENDENT), (0.9, 49, None), (1.2, 49, None)],
)
def test_how_scores_go_together(factor: float, count: int, relation: str | None) -> None:
    joints = np.linspace(0.4, 0.8, count)
    image = poses(factor * joints, np.repeat(joints, 17))
    assert ScoreConvention.of([image]).relation == relation
    low = poses(factor * joints / 4, np.repeat(joints / 4, 17))  # says nothing
    assert ScoreConvention.of([image, low]).relation == relation


def test_the_relation_is_of_the_joints_found() -> None:
    joints = np.full((50, 17), 0.5)
    joints[:, 9:] = 0
    keypoints = np.where(joints[..., None] > 0, 1.0, np.nan) * np.ones(2)
    keypoints[:, :, 0] += np.arange(17)
    joints[:, 0] = 0.6  # not constant
    image = Poses(keypoints, np.full(50, 0.5), keypoint_scores=joints)
    assert ScoreConvention.of([image]).relation == PRODUCT


def test_missing_joints_do_not_count() -> None:
    keypoints = np.ones((1, 17, 2))
    keypoints[0, 0] = np.nan
    joints = np.full((1, 17), 0.7311)
    joints[0, 0] = 0
    found = ScoreConvention.of([Poses(keypoints, [0.5], keypoint_scores=joints)])
    assert found.joints == CONSTANT_JOINTS


def test_nobody_shows_nothing() -> None:
    assert ScoreConvention.of([Poses.empty(17)]) == ScoreConvention(None, None)
    assert ScoreConvention.of([]) == ScoreConvention(None, None)


def refused(made_for: str, given: ScoreConvention, observed: bool) -> bool:
    weights = random_weights(score_convention=made_for)
    try:
        check_convention(weights, replace(given, observed=observed), "the results")
    except WeightsError:
        return True
    return False


@pytest.mark.parametrize(
    ("made_for", "given", "refusals"),
    [  # refused where it is declared, where it is observed
        ("in [0, 1]", (UNIT, UNIT_JOINTS), (False, False)),
        ("in [0, 1]", (ABOVE_0, NO_JOINTS), (True, True)),
        ("in [0, 1]; joint scores in [0, 1]", (UNIT, CONSTANT_JOINTS), (True, True)),
        ("in [0, 1]; joint scores in [0, 1]", (UNIT, UNBOUNDED_JOINTS), (True, True)),
        ("in [0, 1]; joint scores in [0, 1]", (UNIT, NO_JOINTS), (True, True)),
        ("in [0, 1]; joint scores in [0, 1]", (None, None), (False, False)),
        ("above 0, without bound; no joint scores", (UNIT, NO_JOINTS), (True, False)),
        ("above 0, without bound; no joint scores", (UNIT, UNIT_JOINTS), (True, True)),
        ("in [0, 1]; joint scores without bound", (UNIT, UNIT_JOINTS), (True, False)),
        ("any: the higher, the better", (ANY_SIGN, CONSTANT_JOINTS), (False, False)),
    ],
)
def test_refusals(made_for: str, given: tuple, refusals: tuple) -> None:
    convention = ScoreConvention(*given)
    assert (refused(made_for, convention, False), refused(made_for, convention, True)) == refusals


def test_a_formula_takes_any_scores() -> None:
    given = ScoreConvention(ANY_SIGN, NO_JOINTS)
    check_convention(baseline("score"), given, "it")


def test_shipped_weights_say_their_convention_in_words_that_are_understood() -> None:
    shipped = {name: weights_io.load(path) for name, path in weights_io.available().items()}
    parsed = {n: ScoreConvention.parse(weights.score_convention) for n, weights in shipped.items()}
    assert parsed["generic"] == ScoreConvention(None, None)
    assert parsed["yolo-pose"] == ScoreConvention(UNIT, UNIT_JOINTS)
    assert parsed["lightweight-openpose"] == ScoreConvention(ABOVE_0, NO_JOINTS)


@pytest.mark.parametrize(
    ("file", "own", "other"),
    [
        ("yolov8n-pose_val2017", "yolo-pose", "lightweight-openpose"),
        ("lightweight-openpose_val2017", "lightweight-openpose", "yolo-pose"),
    ],
)
def test_real_results_suit_their_own_weights_and_generic(
    shared_data: Path, file: str, own: str, other: str
) -> None:
    entries = read_results(shared_data / "predictions" / f"{file}.json.gz")
    given = ScoreConvention.of([image.poses for image in poses_by_image(entries, COCO17).values()])
    for name in (own, "generic"):
        check_convention(weights_io.find(name), given, "the results")
    with pytest.raises(WeightsError, match=f"'{other}' are made .* give --weights generic"):
        check_convention(weights_io.find(other), given, "the results")


@pytest.mark.parametrize(
    ("name", "relation", "refused_by"),
    [
        ("movenet", PRODUCT, []),
        ("simplepose", PRODUCT, []),
        ("tinypose", PRODUCT, []),
        ("posenet", PRODUCT, []),
        ("yolov8n_640", INDEPENDENT, ["top-down", "posenet"]),
        ("yolo11n_256", INDEPENDENT, ["top-down", "posenet"]),
    ],
)
def test_weights_of_products_refuse_the_scores_of_a_detector(
    shared_data: Path, name: str, relation: str, refused_by: list[str]
) -> None:
    path = shared_data / "predictions" / "val1540" / f"{name}.json.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    images = poses_by_image(read_results(path), COCO17).values()
    given = ScoreConvention.of([image.poses for image in images])
    assert given.relation == relation
    for weights in ("top-down", "posenet"):
        if weights in refused_by:
            with pytest.raises(WeightsError, match=f"'{weights}' are made .*{PRODUCT}"):
                check_convention(weights_io.find(weights), given, "the results")
        elif weights == "top-down" or name == "posenet":
            check_convention(weights_io.find(weights), given, "the results")


class Estimator:
    name, family, skeleton = "sums", "sums", COCO17
    score_convention = ScoreConvention(ABOVE_0, NO_JOINTS)


def test_run_refuses_weights_made_for_another_convention() -> None:
    def scoring(weights: str):
        return load_scoring(weights, "auto", family="sums", device="cpu", backend="auto")

    with pytest.raises(WeightsError, match="sums have scores above 0, without bound"):
        scoring("yolo-pose").check(Estimator())
    for weights in ("auto", "generic", "formula:score", "none"):
        scoring(weights).check(Estimator())
