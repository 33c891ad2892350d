"""`rcnet-rt eval`: what refining a results file is worth against a dataset's annotations."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.text import Text

from rcnet_rt import __version__
from rcnet_rt.cli.options import dataset_options, debug_option, weights_option
from rcnet_rt.cli.refine import load_refiner, rescore
from rcnet_rt.cli.tables import LEGEND, comparison_table, evaluation_json, wide_console
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_json
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation import Evaluation, compare
from rcnet_rt.labelled import Data
from rcnet_rt.refiner import Refiner
from rcnet_rt.video.sink import check_output_file
from rcnet_rt.weights_file import Weights

__all__ = ["eval_command", "judge", "load_data", "part", "trained_on"]


@click.command("eval", epilog=LEGEND)
@click.argument("results", type=click.Path(path_type=Path))
@dataset_options
@weights_option
@click.option("--split", help="Use this split only.  [default: the image ids find theirs]")
@click.option(
    "--all-images",
    is_flag=True,
    help="Count the images of --split that have no pose too, as pycocotools and crowdposetools do.",
)
@click.option("--json", type=click.Path(path_type=Path), help="Write all figures there too.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option("--backend", default="auto", show_default=True, help="What runs the refiner.")
@debug_option
def eval_command(
    results: Path,
    dataset: Dataset,
    weights: str,
    split: str | None,
    all_images: bool,
    json: Path | None,
    device: str,
    backend: str,
) -> None:
    """Judge the scores of a COCO results file before and after refining.

    RESULTS is what an estimator gave, plain or gzipped; it is judged over the images that occur in
    it, as `rcnet-rt refine` would re-score it.
    """
    if all_images and split is None:
        raise click.UsageError("--all-images needs --split: all images of which split?")
    if json is not None:
        check_output_file(json)
    refiner = load_refiner(weights, device, backend)
    data = load_data(results, dataset, split, all_images)
    refined = rescore(data.entries, refiner)
    seen = trained_on(data, refiner.weights)
    unseen = data.ground_truth.images.keys() - seen
    everything = judge(data, refined)
    fresh = judge(part(data, unseen), refined) if seen and unseen else None
    console = wide_console()
    click.echo(_heading(results, data, refiner))
    _warn(len(seen), len(data.poses), refiner.weights)
    _show(console, everything)
    if fresh is not None:
        _show(console, fresh, "images not trained on")
    console.print(Text(LEGEND, "dim"))
    if json is not None:
        about = {
            "rcnet_rt": __version__,
            "results": str(results),
            "weights": refiner.weights.name,
            "backend": refiner.backend_name,
            "images_trained_on": len(seen),
        }
        unflattered = None if fresh is None else evaluation_json(fresh)
        record = {**about, **evaluation_json(everything), "images_not_trained_on": unflattered}
        write_json(json, record)
        click.echo(f"figures -> {json}")


def load_data(
    results: Path, dataset: Dataset, split: str | None = None, all_images: bool = False
) -> Data:
    """Read results with the ground truth of their images, or of all images of the split.

    Raises:
        DatasetError: a file is missing or damaged, or no image has both.
    """
    entries = read_results(results)
    if not entries:
        raise DatasetError(f"{results} holds no poses; there is nothing to judge")
    images = {entry["image_id"] for entry in entries}
    return Data(dataset.ground_truth(split, None if all_images else images), entries)


def part(data: Data, images: Collection[int]) -> Data:
    """Return the same results with the ground truth of some of the images."""
    return Data(data.ground_truth.subset(images), data.entries)


def trained_on(data: Data, weights: Weights) -> set[int]:
    """Return the images among these that weights were trained on, as far as they tell."""
    return set(data.poses).intersection(weights.training.get("images") or ())


def judge(data: Data, refined: npt.NDArray[np.float64]) -> Evaluation:
    """Compare raw and refined scores, and those of the formula that is best on these images."""
    best = data.best_formula(tuple(data.poses))
    peers = {best: data.formula_values(best)}
    truth = data.ground_truth
    return compare(truth, data.entries, data.scores, refined, peers, images=truth.images)


def _heading(results: Path, data: Data, refiner: Refiner) -> str:
    total = len({entry["image_id"] for entry in data.entries})
    left_out = total - len(data.poses)
    note = f"; {left_out:,} images have no annotations here and are left out" if left_out else ""
    return f"{results.name}, refined with {refiner.weights.name} ({refiner.backend_name}){note}\n"


def _warn(seen: int, images: int, weights: Weights) -> None:
    """Say where figures flatter because the network has seen the images."""
    if seen:
        click.secho(
            f"Warning: {seen:,} of {images:,} images were trained on: these figures flatter; "
            "held-out figures are in the model card.\n",
            fg="yellow",
        )
    elif not weights.is_formula and not weights.training.get("images"):
        click.echo("The weights do not name the images that they were trained on.\n")


def _show(console: Console, evaluation: Evaluation, over: str = "") -> None:
    best = next(iter(evaluation.all_images.peers))
    note = (
        f"{best} is the formula with the best AP, chosen on these very images: it is flattered.\n"
    )
    for item in comparison_table(evaluation, over, note):
        console.print(item)
