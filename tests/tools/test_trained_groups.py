"""What the tools read of a training: the folds score as they did when they were trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from rcnet_rt import train
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.training.config import PRESETS
from rcnet_rt.training.cross_validation import hold_out_each
from rcnet_rt.workflows.training_data import estimator_files, load_estimators
from tests.helpers.estimators import few_images
from tools.trained_groups import folds_of


def test_folds_have_the_scale_of_their_own_baseline(shared_data: Path, tmp_path: Path) -> None:
    coco, name = shared_data / "coco-val", "posenet"
    files = few_images(shared_data, tmp_path, [name], 60)
    recipe = replace(PRESETS["residual"], baseline="score_times_joints", epochs=1)
    run = tmp_path / "run"
    done = train(coco, files, out=run, recipe=recipe, folds=2, joints=False)
    results = load_estimators(Dataset(coco), estimator_files({name: [files[name]]}, (), ()))
    parts = folds_of(run, replace(done.weights, calibration=None), results, recipe)
    scales = {part.baseline_scale for _, part in parts}
    assert len(scales) == 2
    assert done.weights.baseline_scale not in scales
    again = hold_out_each(results, parts)[name]
    np.testing.assert_array_equal(again.refined, done.estimators[name].held_out.refined)
