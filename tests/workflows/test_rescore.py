from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import DatasetError, WeightsError, rescore
from rcnet_rt.datasets.results import read_results
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.weights import baseline
from rcnet_rt.workflows.rescore import RescoredFile, rescore_entries
from tests.helpers.synthetic_coco import make_content, make_results

BASELINE = "formula:score_times_confidence"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(make_results(make_content())))
    return path


def test_a_file_is_rescored_and_described(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    done = rescore(str(results), str(out), BASELINE)
    entries = read_results(results)
    images = {entry["image_id"] for entry in entries}
    assert done == RescoredFile(out, len(images), len(entries), BASELINE, "numpy")
    expected = rescore_entries(entries, Refiner(BASELINE))
    np.testing.assert_array_equal([entry["score"] for entry in read_results(out)], expected)
    assert capsys.readouterr() == ("", "")
    with pytest.raises(FrozenInstanceError):
        done.poses = 0  # type: ignore[misc]


def test_weights_may_be_given_themselves(results: Path, tmp_path: Path) -> None:
    rescore(results, tmp_path / "a.json", baseline("score_times_confidence"))
    rescore(results, tmp_path / "b.json", BASELINE)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_faults_leave_no_file(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with pytest.raises(WeightsError, match="none would leave every score as it is"):
        rescore(results, out, "none")
    entries = read_results(results)
    entries[2]["score"] = float("inf")
    results.write_text(json.dumps(entries))
    with pytest.raises(DatasetError, match="entry 2 "):
        rescore(results, out, BASELINE)
    assert not out.exists()
    assert rescore(results, out, BASELINE, on_error="drop").poses == len(entries)
    assert read_results(out)[2]["score"] == 0
