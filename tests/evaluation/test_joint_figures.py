"""Calibration and coverage over the joints of a results file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rcnet_rt.cli.joints_table import joints_table
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.evaluation.joint_figures import joint_figures
from rcnet_rt.evaluation.joints import brier_score, joint_truth
from rcnet_rt.evaluation.labeled_results import LabeledResults
from tests.helpers.joints import with_joint_estimates
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset


@pytest.fixture
def data(tmp_path: Path) -> LabeledResults:
    content = make_content()
    write_dataset(tmp_path, content)
    return LabeledResults(Dataset(tmp_path).ground_truth("val2017"), make_results(content))


@pytest.fixture
def estimated(data: LabeledResults) -> list[ImagePoses]:
    return [replace(item, poses=with_joint_estimates(item.poses)) for item in data.poses.values()]


def test_figures_are_those_of_the_poses_from_the_floor_on(
    data: LabeledResults, estimated: list[ImagePoses]
) -> None:
    floor = float(np.median(data.scores))
    figures = joint_figures(data.ground_truth, estimated, data.match, floor)
    assert figures is not None
    confidence, right = [], []
    for item in estimated:
        truth = joint_truth(
            data.ground_truth,
            np.full(len(item.poses), item.image_id),
            item.poses.keypoints,
            type(data.match)(*(column[item.entries] for column in vars(data.match).values())),
        )
        for row, entry in enumerate(item.entries):
            if data.match.weight[entry] and item.poses.scores[row] >= np.float32(floor):
                confidence.append(item.poses.joint_confidence[row, 5])
                right.append(truth.right[row, 5])
    assert figures.poses == len(right) < len(data.entries)
    assert figures.calibrated.brier[5] == pytest.approx(brier_score(confidence, right))
    assert figures.raw is not None
    assert figures.coverage is not None
    assert len(figures.coverage.by_joint) == len(figures.joints) == 17
    assert sum(figures.calibrated.curves[5].count) == len(right)


def test_there_are_none_without_joint_estimates(
    data: LabeledResults, estimated: list[ImagePoses]
) -> None:
    plain = list(data.poses.values())
    assert joint_figures(data.ground_truth, plain, data.match) is None
    assert joint_figures(data.ground_truth, [*estimated[1:], plain[0]], data.match) is None
    assert joint_figures(data.ground_truth, [], data.match) is None
    assert joint_figures(data.ground_truth, estimated, data.match, floor=2.0) is None


def test_a_joint_that_is_never_found_is_a_dash(
    data: LabeledResults, estimated: list[ImagePoses]
) -> None:
    lost = []
    for item in estimated:
        keypoints = item.poses.keypoints.copy()
        keypoints[:, 4] = np.nan
        lost.append(replace(item, poses=replace(item.poses, keypoints=keypoints)))
    figures = joint_figures(data.ground_truth, lost, data.match)
    assert figures is not None
    assert np.isnan(figures.calibrated.error).nonzero()[0].tolist() == [4]
    assert np.isfinite(figures.calibrated.means).all()
    console = Console(width=120)
    with console.capture() as capture:
        for item in joints_table(figures, "all images"):
            console.print(item)
    row = next(line for line in capture.get().splitlines() if "right ear" in line)
    assert row.split("│")[2:7] == [cell for cell in row.split("│")[2:7] if "–" in cell]
    assert "nan" not in capture.get()
