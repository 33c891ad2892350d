"""Trains the weights of the paper's groups and of two estimators: `python -m tools.group_weights`.

`yolo-pose` are those of the one-stage group, and `yolo-pose-rcnet` the paper's network on the same
data. Their consensus, rechecks and augmentations are made first, with the model's OpenVINO folder
M:

    rcnet-rt predict --coco IMAGES --split val2017 --model M --candidates --recheck 20
        --out signals.json.gz
    rcnet-rt predict --coco IMAGES --split val2017 --model M --candidates --augmentations 8
        --floor 0.03 --out augmented.json.gz

Each group's folder under `--runs` has the log and the checkpoints; a run that was stopped goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import click

from benchmarks.common import data_option
from rcnet_rt.datasets.files import write_json
from rcnet_rt.datasets.results import read_results
from rcnet_rt.training.config import Recipe
from rcnet_rt.workflows.train import train
from rcnet_rt.workflows.training_run import is_run

__all__ = ["GROUPS", "WITH_SIGNALS", "main", "others_of"]


@dataclass(frozen=True)
class Training:
    """Estimators, by name and file under predictions/, and the recipe of their weights."""

    estimators: Mapping[str, str]
    recipe: Recipe


def _val1540(*names: str) -> dict[str, str]:
    return {name: f"val1540/{name}.json.gz" for name in names}


LIGHTWEIGHT_OPENPOSE = {"lightweight-openpose": "lightweight-openpose_val2017.json.gz"}
YOLO_POSE = Training(
    _val1540("yolov8n_640", "yolov8n_320", "yolo11n_640", "yolo11n_256"),
    Recipe(architecture="mlp", features="signals", baseline="score_times_agreement", epochs=5),
)
GROUPS: Mapping[str, Training] = MappingProxyType(
    {
        "yolo-pose": YOLO_POSE,
        # The paper's network and loss, for who wants them; features and baseline stay ours. It
        # learns more slowly than the MLP.
        "yolo-pose-rcnet": replace(
            YOLO_POSE, recipe=replace(YOLO_POSE.recipe, architecture="attention", epochs=15)
        ),
        # Limb vectors and lengths differ between estimators: MoveNet loses by those of the others.
        "top-down": Training(
            _val1540("tinypose", "simplepose", "movenet"),
            Recipe(architecture="mlp", without=("links",), baseline="score", epochs=15, floor=0.05),
        ),
        # Lightweight OpenPose has no joint scores, and its score no upper bound: what the two share
        # is the order of the scores, and the poses.
        "bottom-up": Training(
            {**_val1540("posenet"), **LIGHTWEIGHT_OPENPOSE},
            Recipe(
                architecture="linear",
                without=("score", "links", "joint scores", "confidence statistics", "counts"),
                baseline="expected_rank",
                weight_decay=0.5,
                epochs=10,
                floor=0.0,
            ),
        ),
        # RCNet gains as much here as a linear network: the simpler one ships.
        "lightweight-openpose": Training(
            LIGHTWEIGHT_OPENPOSE, Recipe(architecture="linear", baseline="score_times_joints")
        ),
        # Of PoseNet alone there is more to learn than it shares with Lightweight OpenPose. Two
        # thirds of its poses are below an OKS of 0.5, where AP does not count the order: the share
        # of thresholds is 0 for all of them.
        "posenet": Training(
            _val1540("posenet"),
            Recipe(architecture="linear", baseline="score", target="share", epochs=15, floor=0.05),
        ),
    }
)
WITH_SIGNALS = "yolov8n_640"


@click.command()
@data_option
@click.argument("groups", type=click.Choice(list(GROUPS)), nargs=-1)
@click.option("--signals", type=click.Path(path_type=Path, exists=True), help="For YOLO-Pose.")
@click.option("--augmented", type=click.Path(path_type=Path, exists=True), help="For YOLO-Pose.")
@click.option("--leave-out", multiple=True, help="Judge these estimators without training on them.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("weights"), show_default=True)
def main(
    data: Path,
    groups: tuple[str, ...],
    signals: Path | None,
    augmented: Path | None,
    leave_out: tuple[str, ...],
    runs: Path,
    out: Path,
) -> None:
    """Train the weights of GROUPS, all by default, and write them with their model cards."""
    for group in groups or GROUPS:
        training, run = GROUPS[group], runs / "-without-".join([group, *leave_out])
        files = {name: [data / "predictions" / file] for name, file in training.estimators.items()}
        augmentations = {}
        if WITH_SIGNALS in files:
            if signals is None or augmented is None:
                raise click.UsageError(f"{group} needs --signals and --augmented")
            files[WITH_SIGNALS] = [signals, others_of(files[WITH_SIGNALS][0], signals, runs)]
            augmentations[WITH_SIGNALS] = [augmented]
        result = train(
            data / "coco-val",
            files,
            out=run,
            name=group,
            recipe=training.recipe,
            augmentations=augmentations,
            leave_out=leave_out,
            resume=is_run(run),
        )
        if not leave_out:
            for file in (result.weights_file, result.card_file):
                shutil.copyfile(file, out / file.name)
        click.echo(result.card_file.read_text(encoding="utf-8"))


def others_of(results: Path, signals: Path, folder: Path) -> Path:
    """Write the results on the images that have no signals, and return the file."""
    known = {entry["image_id"] for entry in read_results(signals)}
    rest = [entry for entry in read_results(results) if entry["image_id"] not in known]
    path = folder / "without_signals.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, rest)
    return path


if __name__ == "__main__":
    main()
