"""Options that several subcommands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from rcnet_rt import estimators
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.crowdpose import crowdpose as crowdpose_dataset

__all__ = [
    "OptionWithFormerNames",
    "Threshold",
    "announce",
    "dataset_options",
    "debug_option",
    "model_option",
    "recheck_option",
    "threshold_option",
    "weights_option",
]

DOUBTED = 3  # poses of an image, for --recheck without a number

Command = TypeVar("Command", bound=Callable[..., Any])


class OptionWithFormerNames(click.Option):
    """An option that also answers to its former names, which the help does not show."""

    def __init__(self, names: Sequence[str], *, former: Sequence[str], **settings: Any) -> None:
        super().__init__([*names, *former], **settings)
        self._former = former

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Describe the option by its present name."""
        accepted = self.opts
        self.opts = [name for name in accepted if name not in self._former]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = accepted


class Threshold(click.ParamType[str | float]):
    """`auto`, `p95`, or a number in [0, 1]."""

    name = "auto|p95|NUMBER"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | float:
        """Return the word or the number; anything else is wrong usage."""
        if value in ("auto", "p95"):
            return str(value)
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not 0 <= number <= 1:
            self.fail(f"{value!r} is none of: auto, p95, a number from 0 to 1", param, ctx)
        return number


def dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --coco and --crowdpose, of which one must be given; the command gets a `dataset`."""

    @click.option(
        "--coco",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="COCO folder: annotations/person_keypoints_{split}.json[.gz], images/{split}/.",
    )
    @click.option(
        "--crowdpose",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="CrowdPose folder instead: json/crowdpose_{split}.json[.gz] or the same in "
        "annotations/, images/.",
    )
    @functools.wraps(command)
    def with_dataset(
        *arguments: Any, coco: Path | None, crowdpose: Path | None, **options: Any
    ) -> Any:
        given = [
            *([Dataset(coco)] if coco is not None else []),
            *([crowdpose_dataset(crowdpose)] if crowdpose is not None else []),
        ]
        if len(given) != 1:
            raise click.UsageError("give the data set: one of --coco DIR and --crowdpose DIR")
        return command(*arguments, dataset=given[0], **options)

    return with_dataset


def debug_option(command: Command) -> Command:
    """Add --debug, which the entry point looks for."""
    return click.option(
        "--debug", is_flag=True, expose_value=False, help="On failure print the traceback too."
    )(command)


def model_option(help_text: str) -> Callable[[Command], Command]:
    """Add --model, the estimator; whoever loads it announces it before."""
    return click.option("--model", default="yolo-pose", show_default=True, help=help_text)


def announce(model: str) -> None:
    """Say so if the model that is about to be loaded is a program."""
    if (sentence := estimators.caution(model)) is not None:
        click.echo(f"Note: {sentence}.", err=True)


def recheck_option(command: Command) -> Command:
    """Add --recheck."""
    return click.option(
        "--recheck",
        "recheck",
        cls=OptionWithFormerNames,
        former=["--second-look"],
        type=click.IntRange(min=0),
        is_flag=False,
        flag_value=DOUBTED,
        default=0,
        metavar="[N]",
        help="Look again, close up, at the N poses of an image whose score says least "
        f"[{DOUBTED} if no N is given]: better scores for an inference a pose.",
    )(command)


def threshold_option(command: Command) -> Command:
    """Add --conf."""
    return click.option(
        "--conf",
        type=Threshold(),
        default="auto",
        show_default=True,
        help="Keep poses whose refined score is at least this; p95: precision 0.95.",
    )(command)


def weights_option(command: Command) -> Command:
    """Add --weights."""
    return click.option(
        "--weights",
        default="auto",
        show_default=True,
        metavar="NAME|FILE",
        help="What refines: auto, a shipped name, a .safetensors file, formula:NAME, none.",
    )(command)
