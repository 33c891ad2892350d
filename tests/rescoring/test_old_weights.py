"""Weights files of earlier versions load, and give the scores that those versions gave.

weights_0_1_0/ holds weights that 0.1.0 shipped, and the first that were ever trained
(first-yolo-pose); scores.json holds poses, and their scores as computed with the code of the time.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import Refiner, load_weights
from rcnet_rt.backends.choice import ON_CPU, missing
from rcnet_rt.rescoring import weights_io

FOLDER = Path(__file__).parent / "weights_0_1_0"
RECORDED = json.loads((FOLDER / "scores.json").read_text(encoding="utf-8"))
POSES = {name: np.array(values) for name, values in RECORDED["poses"].items()}


def test_every_file_has_recorded_scores() -> None:
    assert {path.stem for path in FOLDER.glob("*.safetensors")} == RECORDED["scores"].keys()


@pytest.mark.parametrize("backend", [*ON_CPU, "torch"])
@pytest.mark.parametrize("name", RECORDED["scores"])
def test_the_scores_are_those_of_0_1_0(name: str, backend: str) -> None:
    if lacking := missing(backend):
        pytest.skip(lacking)
    refiner = Refiner(str(FOLDER / f"{name}.safetensors"), backend=backend)
    keypoints, scores, boxes = (POSES[each] for each in ("keypoints", "scores", "boxes"))
    refined = {
        "with_joint_scores_and_boxes": refiner.refine(keypoints, scores, boxes=boxes),
        "with_keypoints_alone": refiner.refine(keypoints[:, :, :2], scores),
    }
    for case, expected in RECORDED["scores"][name].items():
        np.testing.assert_allclose(refined[case], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", RECORDED["scores"])
def test_they_can_be_written_again(name: str, tmp_path: Path) -> None:
    weights = load_weights(str(FOLDER / f"{name}.safetensors"))
    assert set(weights.thresholds) == {"auto", "p95"}
    weights_io.save(weights, tmp_path / "again.safetensors")
    again = load_weights(str(tmp_path / "again.safetensors"))
    for key, tensor in weights.tensors.items():
        np.testing.assert_array_equal(again.tensors[key], tensor)
    assert again.training == weights.training
