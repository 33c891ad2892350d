"""An estimator's poses on shifted images, kept as COCO results so that they are made once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.studies.profile.shifts import SHIFTS, shifted_image, shifted_persons
from rcnet_rt import estimators
from rcnet_rt.datasets.coco import Dataset, GroundTruth
from rcnet_rt.datasets.results import poses_to_entries, read_results, write_results
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.video.images import read_image

__all__ = ["shifted_results"]

FOLDERS = ("coco-val", "coco")  # images lie in both
SPLIT = "val2017"


def shifted_results(
    data: Path, model: Path, folder: Path, floor: float
) -> Iterator[tuple[str, LabeledResults]]:
    """Yield the results on each shift of the images, with the people where they then are.

    Args:
        data: folder of the data.
        model: the estimator.
        folder: where results are kept, a file a shift.
        floor: poses with a lower raw score are left out.
    """
    truth, paths = _images(data)
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHIFTS:
        file = folder / f"{name}.json.gz"
        if not file.exists():
            click.echo(f"{name}: {len(paths)} images are estimated …")
            _predict(name, paths, model, file, floor)
        persons = {
            image.id: shifted_persons(name, truth.persons[image.id], (image.width, image.height))
            for image in truth.images.values()
        }
        yield name, LabeledResults(replace(truth, persons=persons), read_results(file))


def _images(data: Path) -> tuple[GroundTruth, Mapping[int, Path]]:
    """Return the ground truth of the images that are here, and their files."""
    truth = Dataset(data / FOLDERS[0]).ground_truth(SPLIT)
    paths = {
        image.id: path
        for image in truth.images.values()
        for folder in reversed(FOLDERS)
        if (path := data / folder / "images" / SPLIT / image.file_name).is_file()
    }
    return truth.subset(paths), paths


def _predict(name: str, paths: Mapping[int, Path], model: Path, file: Path, floor: float) -> None:
    estimator = estimators.load(str(model), floor=floor)
    entries = []
    for image, path in paths.items():
        poses = estimator.estimate(shifted_image(name, read_image(path), image))
        entries += poses_to_entries(poses, image, 1)
    write_results(file, entries)
