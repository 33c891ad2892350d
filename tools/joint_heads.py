"""Adds joint heads to the shipped weights: `python -m tools.joint_heads`.

The score's tensors stay to the bit. The refined scores that a head learns from are of networks that
did not see the image: the folds of `tools.group_weights`, whose checkpoints are under `--runs`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from safetensors.numpy import load_file

from benchmarks.common import data_option
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.joint_card import HEADING, joint_section
from rcnet_rt.training.joint_judging import with_head
from rcnet_rt.training.joint_training import JointRecipe, TrainedHeads, train_heads
from rcnet_rt.training.splits import Split
from rcnet_rt.workflows.training_data import estimator_files, load_estimators
from tools.group_weights import GROUPS, WITH_SIGNALS, others_of

__all__ = ["folds_of", "load_group", "main", "trained_heads"]


def load_group(
    data: Path, group: str, signals: Path | None, runs: Path
) -> dict[str, LabeledResults]:
    """Return the results of the estimators that weights are for, by name."""
    names = GROUPS[group].estimators
    files = {name: [data / "predictions" / file] for name, file in names.items()}
    if WITH_SIGNALS in files and signals is not None:
        files[WITH_SIGNALS] = [signals, others_of(files[WITH_SIGNALS][0], signals, runs)]
    return load_estimators(Dataset(data / "coco-val"), estimator_files(files, (), ()))


def folds_of(run: Path, weights: Weights) -> list[tuple[Split, Weights]]:
    """Return the splits of a run with the weights of each, as far as a score needs them."""
    described = json.loads((run / "run.json").read_text(encoding="utf-8"))
    held_out = [tuple(images) for images in described["held-out images"]]
    everything = {image for images in held_out for image in images}
    parts = []
    for number, images in enumerate(held_out, 1):
        name = f"fold {number} of {len(held_out)}"
        file = run / "checkpoints" / f"{name.replace(' ', '-')}.safetensors"
        kept = {key.removeprefix("averaged."): value for key, value in load_file(file).items()}
        tensors = {key: np.asarray(kept[key]) for key in weights.tensors}
        split = Split(name, tuple(sorted(everything - set(images))), images)
        parts.append((split, replace(weights, tensors=tensors, joints=None)))
    return parts


def trained_heads(
    run: Path,
    weights: Weights,
    results: Mapping[str, LabeledResults],
    left_out: Collection[str] = (),
) -> TrainedHeads:
    """Train the heads of a run, or read them where that was done; they are kept in its folder."""
    folder, parts = run / "joint-heads", folds_of(run, weights)
    last = folder / "all-images.safetensors"
    files = [folder / f"fold-{number}.safetensors" for number in range(1, len(parts) + 1)]
    if not last.exists():
        heads = train_heads(results, parts, weights, JointRecipe(), left_out)
        folder.mkdir(exist_ok=True)
        for file, (_, held_out) in zip(files, heads.held_out, strict=True):
            weights_io.save(held_out, file)
        weights_io.save(replace(weights, joints=heads.head), last)
    head = weights_io.load(last).joints
    assert head is not None
    splits = [split for split, _ in parts]
    return TrainedHeads(head, list(zip(splits, map(weights_io.load, files), strict=True)))


def _write_section(card: Path, section: Sequence[str]) -> None:
    """Put the section about joints at the end of a model card."""
    before = card.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[0]
    card.write_text("\n".join([before.rstrip("\n"), "", *section]), encoding="utf-8")


@click.command()
@data_option
@click.argument("names", type=click.Choice(list(GROUPS)), nargs=-1)
@click.option("--signals", type=click.Path(path_type=Path, exists=True), help="For yolo-pose.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("weights"), show_default=True)
def main(data: Path, names: tuple[str, ...], signals: Path | None, runs: Path, out: Path) -> None:
    """Add a joint head to the weights NAMES, all by default."""
    for name in names or GROUPS:
        weights, run = weights_io.load(out / f"{name}.safetensors"), runs / name
        results = load_group(data, name, signals, runs)
        heads = trained_heads(run, weights, results)
        done = with_head(weights, heads, results, JointRecipe())
        weights_io.save(done, out / f"{name}.safetensors")
        _write_section(out / f"{name}.md", joint_section(done.joints))
        assert done.joints is not None
        click.echo(f"{name}: {json.dumps(done.joints.training['estimators'])}")


if __name__ == "__main__":
    main()
