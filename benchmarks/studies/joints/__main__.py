"""`python -m benchmarks.studies.joints`: repeat the study of joint confidence and covariance.

It reads the runs of `tools.group_weights`, with those that leave an estimator out, and the heads
that `tools.joint_heads` keeps in them; heads that are not there are trained. A part that is in
results.json is left out, so that a study that was stopped goes on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from benchmarks.common import data_option
from benchmarks.studies.common import out_option, store, stored, table, write_page
from benchmarks.studies.joints.figures import figures
from rcnet_rt.rescoring import weights_io
from rcnet_rt.workflows.training_run import is_run
from tools.group_weights import GROUPS
from tools.joint_heads import trained_heads
from tools.trained_groups import folds_of, load_group

HERE = Path(__file__).resolve().parent
LEFT_OUT = {
    f"{group}-without-{name}": (group, name)
    for group, training in GROUPS.items()
    if len(training.estimators) > 1
    for name in training.estimators
}
PARTS = {**{name: (name, "") for name in GROUPS}, **LEFT_OUT}
HEAD = (
    "estimator", "poses", "error, mean / worst joint", "by chance", "only annotated", "Brier",
    "raw", "isotonic", "coverage of joints", "coverage by chance",
    "occluded / visible", "by size", "area, mean / median",
)  # fmt: skip


@click.command()
@data_option
@click.argument("names", type=click.Choice(list(PARTS)), nargs=-1)
@click.option("--signals", type=click.Path(path_type=Path, exists=True), help="For yolo-pose.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@out_option(HERE)
def main(data: Path, names: tuple[str, ...], signals: Path | None, runs: Path, out: Path) -> None:
    """Measure NAMES, all whose runs are there by default; write results.json and RESULTS.md."""
    results = stored(out)
    for part in names or PARTS:
        run, (group, left_out) = runs / part, PARTS[part]
        if part in results or not is_run(run):
            continue
        known = load_group(data, group, signals, runs)
        weights = weights_io.find(group)
        trained_on = {name: data for name, data in known.items() if name != left_out}
        parts = folds_of(run, weights, trained_on, GROUPS[group].recipe)
        heads = trained_heads(run, weights, parts, trained_on)
        wanted = [left_out] if left_out else list(known)
        result = {name: figures(known[name], heads.held_out) for name in wanted}
        results = store(out, PARTS, part, result)
        click.echo(f"{part}: {json.dumps(result)}")
    write_page(out, _blocks(results))


def _blocks(results: dict[str, Any]) -> list[str]:
    trained = [_row(f"{name}, by {part}", each) for part, name, each in _each(results, False)]
    left_out = [_row(name, each) for _, name, each in _each(results, True)]
    return [
        "# Joints: calibration and coverage on held-out images",
        table(HEAD, trained),
        "## Estimators that were left out",
        table(HEAD, left_out) if left_out else "",
    ]


def _each(results: dict[str, Any], is_left_out: bool) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (part, name, each)
        for part, estimators in results.items()
        if (part in LEFT_OUT) == is_left_out
        for name, each in estimators.items()
    ]


def _row(name: str, each: dict[str, Any]) -> list[str]:
    groups = each["groups"]
    raw = each["raw_brier"]
    return [
        name,
        str(each["poses"]),
        f"{each['error']:.4f} / {each['largest_error']:.4f}",
        f"{each['error_by_chance']:.4f}",
        f"{each['annotated_error']:.3f}",
        f"{each['brier']:.4f}",
        "" if raw is None else f"{raw:.4f} ({each['brier'] / raw - 1:+.0%})",
        f"{each['isotonic_brier']:.4f} ({each['brier'] / each['isotonic_brier'] - 1:+.0%})",
        f"{each['coverage'][0]:.3f} to {each['coverage'][1]:.3f}",
        "{:.3f} to {:.3f}".format(*each["coverage_by_chance"]),
        f"{groups['occluded joints']:.3f} / {groups['visible joints']:.3f}",
        " ".join(f"{share:.3f}" for share in each["coverage_by_size"]),
        f"{each['relative_area'] - 1:+.0%} / {each['median_area'] - 1:+.0%}",
    ]


if __name__ == "__main__":
    main()
