"""`rcnet-rt eval`: what refining a results file is worth against a dataset's annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from rcnet_rt import __version__
from rcnet_rt.cli.options import debug_option, weights_option
from rcnet_rt.cli.refine import load_refiner, rescore
from rcnet_rt.cli.tables import LEGEND, comparison_table, evaluation_json, wide_console
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.files import write_json
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation import Evaluation, compare
from rcnet_rt.experiment import Data
from rcnet_rt.refiner import Refiner
from rcnet_rt.video.sink import check_output_file

__all__ = ["evaluate", "evaluate_command"]


@click.command("eval", epilog=LEGEND)
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--coco",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder that holds annotations/person_keypoints_{split}.json, plain or .gz.",
)
@weights_option
@click.option("--split", help="Use this split only.  [default: the image ids find theirs]")
@click.option("--json", type=click.Path(path_type=Path), help="Write all figures there too.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option("--backend", default="auto", show_default=True, help="What runs the refiner.")
@debug_option
def evaluate_command(
    results: Path,
    coco: Path,
    weights: str,
    split: str | None,
    json: Path | None,
    device: str,
    backend: str,
) -> None:
    """Judge the scores of a COCO results file before and after refining.

    RESULTS is what an estimator gave, plain or gzipped; it is judged over the images that occur in
    it, as `rcnet-rt refine` would re-score it.
    """
    if json is not None:
        check_output_file(json)
    refiner = load_refiner(weights, device, backend)
    data = load_data(results, coco, split)
    refined = rescore(data.entries, refiner)
    seen = trained_on(data, refiner)
    name, evaluation = evaluate(data, refined)
    unseen = set(data.poses) - seen
    fresh = evaluate(_part(data, unseen), refined) if seen and unseen else None
    _print(data, refiner, seen, (name, evaluation), fresh)
    if json is not None:
        record = {
            "rcnet_rt": __version__,
            "results": str(results),
            "weights": refiner.weights.name,
            "backend": refiner.backend_name,
            "images_trained_on": len(seen),
            "best_formula": name,
            **evaluation_json(evaluation),
            "images_not_trained_on": fresh and evaluation_json(fresh[1]),
        }
        write_json(json, record)
        click.echo(f"figures -> {json}")


def load_data(results: Path, coco: Path, split: str | None = None) -> Data:
    """Read results with the ground truth of their images.

    Raises:
        DatasetError: a file is missing or damaged, or no image has both.
    """
    entries = read_results(results)
    if not entries:
        raise DatasetError(f"{results} holds no poses; there is nothing to judge")
    images = {entry["image_id"] for entry in entries}
    return Data(load_ground_truth(coco, split, images), entries)


def trained_on(data: Data, refiner: Refiner) -> set[int]:
    """Return the images among these that the weights were trained on, as far as they say."""
    return set(data.poses).intersection(refiner.weights.training.get("images") or ())


def evaluate(data: Data, refined: npt.NDArray[np.float64]) -> tuple[str, Evaluation]:
    """Return the formula that is best on these very images, and raw, formula's and new scores."""
    name = data.best_formula(data.ground_truth.images)
    peers = {name: data.formula_values(name)}
    return name, compare(data.ground_truth, data.entries, data.scores, refined, peers)
