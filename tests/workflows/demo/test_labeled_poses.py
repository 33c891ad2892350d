"""The demo's recorded poses: their labels, the latency, and what raw and refined scores keep."""

from __future__ import annotations

import gzip
import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.jsonl import read_lines
from rcnet_rt.demo_data import LABELED_POSES
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.workflows.demo.equal_count import closing_sentence, write_image
from rcnet_rt.workflows.demo.labeled_poses import (
    WARM_UP,
    LabeledPoses,
    read_labeled_poses,
    refine_labeled_poses,
)


@pytest.fixture(scope="module")
def data() -> LabeledPoses:
    return read_labeled_poses(LABELED_POSES)


def reverse(poses: Poses) -> Poses:
    """Refine to one minus the raw score."""
    return poses.with_scores(1 - poses.scores)


def test_counts_equal_naive_ones_over_the_file(data: LabeledPoses) -> None:
    refined = refine_labeled_poses(data, reverse, threshold=0.6)
    judged = [
        (pose["score_raw"], oks)
        for line in read_lines(LABELED_POSES)
        for pose, oks in zip(line["poses"], line["oks"], strict=True)
        if oks is not None
    ]
    lowest = [oks for score, oks in judged if np.float32(1) - np.float32(score) >= 0.6]
    highest = [oks for _, oks in sorted(judged, key=lambda pair: -pair[0])[: len(lowest)]]
    kept = refined.kept
    assert kept.count == len(lowest) > 50
    assert kept.false_refined == sum(oks < 0.5 for oks in lowest)
    assert kept.false_raw == sum(oks < 0.5 for oks in highest)
    assert closing_sentence(refined) == (
        f"Of the {kept.count} poses that each keeps on 103 images, raw scores keep "
        f"{kept.false_raw} false ones, refined scores {kept.false_refined}."
    )


def test_refined_scores_keep_fewer_false_poses(data: LabeledPoses) -> None:
    refiner = Refiner("yolo-pose", backend="onnx")
    threshold = refiner.weights.threshold("auto")
    kept = refine_labeled_poses(data, refiner, threshold).kept
    assert kept.false_refined < kept.false_raw


def test_judged_poses_are_found_in_their_images(data: LabeledPoses) -> None:
    refined = refine_labeled_poses(data, reverse, threshold=0.6)
    pairs = zip(refined.image.tolist(), refined.pose.tolist(), strict=True)
    assert [data.oks[image][pose] for image, pose in pairs] == refined.kept.oks.tolist()


def test_latency_leaves_the_first_calls_out(data: LabeledPoses) -> None:
    calls = len(data.images)
    # The n-th call takes n seconds.
    times = (call * (call + 1) / 2 + extra for call in count() for extra in (0, call + 1))
    seconds = refine_labeled_poses(data, reverse, 0.6, clock=lambda: next(times)).seconds
    assert seconds.tolist() == list(range(WARM_UP + 1, calls + 1))


def test_the_image_is_written_whole_or_not_at_all(data: LabeledPoses, tmp_path: Path) -> None:
    refined = refine_labeled_poses(data, reverse, threshold=0.9)
    with pytest.raises(OutputError):
        write_image(tmp_path / "missing" / "kept.png", data, refined)
    assert not list(tmp_path.iterdir())
    write_image(tmp_path / "kept.png", data, refined)
    written = (tmp_path / "kept.png").read_bytes()
    assert written.startswith(b"\x89PNG")
    assert written.endswith(b"IEND\xaeB`\x82")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.png"]


def test_labels_that_do_not_fit_the_poses(tmp_path: Path) -> None:
    lines = gzip.decompress(LABELED_POSES.read_bytes()).splitlines()[:2]
    line = json.loads(lines[1])
    path = tmp_path / "poses.jsonl"
    for oks in ([], None, [*line["oks"], 0.5]):
        path.write_text(lines[0].decode() + "\n" + json.dumps(line | {"oks": oks}) + "\n")
        with pytest.raises(DatasetError, match='line 2: "oks" has shape'):
            read_labeled_poses(path)


def test_labels_are_those_of_the_annotations(shared_data: Path) -> None:
    from rcnet_rt.datasets.coco import load_ground_truth
    from tools.record_labeled_poses import UNLABELED, matched_oks

    lines = list(read_lines(LABELED_POSES))
    files = [line["file"] for line in lines]
    assert set(UNLABELED) <= set(files)
    truth = load_ground_truth(shared_data / "coco", "train2017", files)
    assert [matched_oks(line, truth) for line in lines] == [line["oks"] for line in lines]
