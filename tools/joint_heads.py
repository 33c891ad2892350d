"""Adds joint heads to the shipped weights: `python -m tools.joint_heads`.

The score's tensors stay to the bit. The refined scores that a head learns from are of networks that
did not see the image: the folds of `tools.group_weights`, whose checkpoints are under `--runs`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.joint_card import HEADING, joint_section
from rcnet_rt.training.joint_judging import with_head
from rcnet_rt.training.joint_training import JointRecipe, TrainedHeads, train_heads
from rcnet_rt.training.splits import Split
from tools.trained_groups import group_options, trained_groups

__all__ = ["main", "trained_heads"]


def trained_heads(
    run: Path,
    weights: Weights,
    parts: Sequence[tuple[Split, Weights]],
    results: Mapping[str, LabeledResults],
) -> TrainedHeads:
    """Train the heads of a run, or read them where that was done; they are kept in its folder.

    Args:
        run: folder of the training of the score.
        weights: that get the head.
        parts: `trained_groups.folds_of` the run.
        results: of the estimators that the score was trained on, by name.
    """
    folder = run / "joint-heads"
    last = folder / "all-images.safetensors"
    files = [folder / f"fold-{number}.safetensors" for number in range(1, len(parts) + 1)]
    if not last.exists():
        heads = train_heads(results, parts, weights, JointRecipe())
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
@group_options
def main(data: Path, names: tuple[str, ...], signals: Path | None, runs: Path, out: Path) -> None:
    """Add a joint head to the weights NAMES, all by default."""
    for group in trained_groups(data, names, signals, runs, out):
        heads = trained_heads(group.run, group.weights, group.folds(), group.results)
        done = with_head(group.weights, heads, group.results, JointRecipe())
        weights_io.save(done, group.file)
        _write_section(group.file.with_suffix(".md"), joint_section(done.joints))
        assert done.joints is not None
        click.echo(f"{group.name}: {json.dumps(done.joints.training['estimators'])}")


if __name__ == "__main__":
    main()
