"""The rows of visual features (table 9): what the network saw of a pose, beside its joints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.studies.ablations.embeddings import MODELS, write_with_embeddings
from benchmarks.studies.ablations.settings import SETTINGS, setting
from benchmarks.studies.accuracy import scorers
from benchmarks.studies.accuracy.parts import RAW, Part, Row, Subject, references
from benchmarks.studies.accuracy.protocol import Estimator
from benchmarks.studies.accuracy.study import Options, run_rows

__all__ = ["POSE", "VISUAL", "run"]

POSE, VISUAL = "pose", "pose and visual"


def run(
    options: Options, estimator: Estimator, quick: bool, log: Callable[[str], None]
) -> dict[str, Any]:
    """Return the figures of every setting with and without; none where no network can be seen."""
    if estimator.name not in MODELS:
        return {}
    over = (RAW, *(f"{name} setting: {POSE}" for name in SETTINGS))
    with TemporaryDirectory() as folder:
        share = write_with_embeddings(options.data, estimator, Path(folder) / "data")
        log(f"{estimator.name}: embeddings of {100 * share:.1f} % of the poses")
        options = replace(options, data=Path(folder) / "data")
        part = Part("visual features", rows, over)
        return {"share": share, **run_rows(options, Subject(estimator, quick), part, log)}


def rows(subject: Subject) -> list[Row]:
    """Return every setting, with the embeddings after its features and without."""
    found = references(subject)
    for name in SETTINGS:
        recipe = setting(name, subject.quick)
        seeing = replace(recipe, features=f"{recipe.features}+visual")
        for title, some in ((POSE, recipe), (VISUAL, seeing)):
            scorer = partial(scorers.ours, recipe=some)
            found.append(Row(f"{name} setting: {title}", "folds", scorer))
    return found
