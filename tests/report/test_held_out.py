from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.report.folder import PAGE
from rcnet_rt.report.held_out import write_held_out_report
from rcnet_rt.rescoring.weights import baseline
from rcnet_rt.training.cross_validation import HeldOut
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset


def test_it_is_about_the_held_out_images_and_their_calibrated_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rcnet_rt.report.page.encode", lambda figure: b"chart")
    content = make_content()
    dataset = Dataset(write_dataset(tmp_path / "coco", content))
    data = LabeledResults(dataset.ground_truth(), make_results(content))
    images = tuple(image for image in data.poses if image % 2)
    entries = np.concatenate([data.poses[image].entries for image in images])
    perfect = data.match.target[entries]
    held_out = HeldOut(
        images=images,
        entries=entries,
        refined=perfect * 0,
        baseline=data.scores[entries],
        baseline_name="another_baseline",
        calibrated=perfect,
    )
    folder = tmp_path / "report"
    write_held_out_report(folder, data, held_out, baseline("score"), dataset, resamples=10)
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert "Every image here was held out" in page
    assert "another baseline" in page
    assert "flatters" not in page
    assert f"{len(images)} held-out images" in page
    expected = compare(
        data.ground_truth.subset(images), data.entries, data.scores, data.match.target, resamples=10
    ).all_images
    for report in (expected.before, expected.after):
        assert f"{100 * report.metrics.ap:.2f}" in page
