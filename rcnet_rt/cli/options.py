"""Options that several subcommands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from rcnet_rt import estimators
from rcnet_rt.backends import choice
from rcnet_rt.cli.option_types import (
    THRESHOLDS,
    ImageSize,
    OptionWithFormerNames,
    Threshold,
    Weights,
    Workers,
)

__all__ = [
    "announce",
    "backend_option",
    "batch_option",
    "dataset_options",
    "debug_option",
    "device_option",
    "given_options",
    "json_option",
    "model_option",
    "optional_dataset_options",
    "parallel_options",
    "profile_options",
    "recheck_option",
    "threshold_option",
    "weights_option",
    "yolo_options",
]

RECHECKED = 3  # poses of an image, for --recheck without a number
NOT_WRITTEN = "not written"
THRESHOLD_HELP = (
    "Keep poses whose refined score is at least this; p95: precision 0.95 on the images it was "
    "chosen on; guaranteed: on new images like them too, with probability 0.95"
)

Command = TypeVar("Command", bound=Callable[..., Any])
_ONE_DATASET = "give the data set: one of --coco DIR and --crowdpose DIR"


def dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --coco and --crowdpose, of which one must be given; the command gets a `dataset`."""

    @optional_dataset_options
    @functools.wraps(command)
    def with_dataset(*arguments: Any, dataset: Any, **options: Any) -> Any:
        if dataset is None:
            raise click.UsageError(_ONE_DATASET)
        return command(*arguments, dataset=dataset, **options)

    return with_dataset


def optional_dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --coco and --crowdpose, at most one of them; the command gets a `dataset` or None."""

    @click.option(
        "--coco",
        type=click.Path(path_type=Path),
        metavar="DIR",
        show_default="none: give --coco or --crowdpose",
        help="COCO folder: annotations/person_keypoints_{split}.json[.gz], images/{split}/.",
    )
    @click.option(
        "--crowdpose",
        type=click.Path(path_type=Path),
        metavar="DIR",
        show_default="none: give --coco or --crowdpose",
        help="CrowdPose folder instead: json/crowdpose_{split}.json[.gz] or the same in "
        "annotations/, images/.",
    )
    @functools.wraps(command)
    def with_dataset(
        *arguments: Any, coco: Path | None, crowdpose: Path | None, **options: Any
    ) -> Any:
        # Commands that take no data set share this module, and are to start fast.
        from rcnet_rt.datasets.coco import Dataset
        from rcnet_rt.datasets.crowdpose import crowdpose as crowdpose_dataset

        given = [
            *([Dataset(coco)] if coco is not None else []),
            *([crowdpose_dataset(crowdpose)] if crowdpose is not None else []),
        ]
        if len(given) > 1:
            raise click.UsageError(_ONE_DATASET)
        return command(*arguments, dataset=given[0] if given else None, **options)

    return with_dataset


def given_options(ctx: click.Context, names: Collection[str]) -> list[str]:
    """Return those options, of these parameters, that stand on the command line."""
    options = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    return [
        options[name]
        for name in names
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]


def debug_option(command: Command) -> Command:
    """Add --debug, which the entry point looks for."""
    return click.option(
        "--debug", is_flag=True, expose_value=False, help="On failure print the traceback too."
    )(command)


def device_option(
    help_text: str = "Where networks run: auto, cpu, cuda, cuda:1, …", default: str = "auto"
) -> Callable[[Command], Command]:
    """Add --device."""
    return click.option("--device", default=default, show_default=True, help=help_text)


def backend_option(command: Command) -> Command:
    """Add --backend."""
    return click.option(
        "--backend",
        type=click.Choice(choice.NAMES),
        default="auto",
        show_default=True,
        help="What runs the refiner.",
    )(command)


def batch_option(command: Command) -> Command:
    """Add --batch."""
    return click.option(
        "--batch",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="How many frames of a file YOLO-Pose takes at once, for a GPU.",
    )(command)


def json_option(help_text: str) -> Callable[[Command], Command]:
    """Add --json, a file to write; the help says what is written."""
    return click.option(
        "--json",
        type=click.Path(path_type=Path),
        metavar="FILE",
        show_default=NOT_WRITTEN,
        help=help_text,
    )


def model_option(help_text: str) -> Callable[[Command], Command]:
    """Add --model, the estimator; whoever loads it announces it before."""
    return click.option("--model", default="yolo-pose", show_default=True, help=help_text)


def announce(model: str) -> None:
    """Warn if the model that is about to be loaded is a program."""
    if (sentence := estimators.caution(model)) is not None:
        click.echo(f"Note: {sentence}.", err=True)


def parallel_options(command: Command) -> Command:
    """Add --workers and --threads."""
    workers = click.option(
        "--workers",
        type=Workers(),
        default="auto",
        show_default=True,
        help="How many images are estimated at a time; results and their order stay the same. "
        "auto: one a CPU where the estimator can (exported YOLO-Pose), else 1. Given a number, "
        "other estimators are loaded so often.",
    )
    threads = click.option(
        "--threads",
        type=click.IntRange(min=1),
        show_default="all that may be used",
        help="How many CPUs to use.",
    )
    return workers(threads(command))


def recheck_option(command: Command) -> Command:
    """Add --recheck."""
    return click.option(
        "--recheck",
        "recheck",
        cls=OptionWithFormerNames,
        former=["--second-look"],
        type=click.IntRange(min=0),
        is_flag=False,
        flag_value=RECHECKED,
        default=0,
        show_default=True,
        metavar="[N]",
        help="Re-run the estimator on crops of the N poses of an image whose score is least "
        f"certain ({RECHECKED} if no N is given): better scores for an inference per pose.",
    )(command)


def threshold_option(command: Command) -> Command:
    """Add --conf."""
    return click.option(
        "--conf",
        type=Threshold(),
        default="auto",
        show_default=True,
        help=f"{THRESHOLD_HELP}.",
    )(command)


def profile_options(command: Command) -> Command:
    """Add --conf, with the word `profile`, and --profile."""
    conf = click.option(
        "--conf",
        type=Threshold((*THRESHOLDS, "profile")),
        default="auto",
        show_default=True,
        help=f"{THRESHOLD_HELP}; profile: that of --profile, which auto is, too, where it has one.",
    )
    profile = click.option(
        "--profile",
        type=click.Path(path_type=Path),
        metavar="FILE",
        show_default="none",
        help="What `rcnet-rt profile` wrote of this camera: its threshold, the scores that were "
        "seen, and --drift-alarm held against it. Refused with another model or other weights.",
    )
    return conf(profile(command))


def weights_option(
    help_text: str = "What refines: auto, a shipped name, a .safetensors file or formula:NAME.",
    default: str = "auto",
) -> Callable[[Command], Command]:
    """Add --weights."""
    return click.option(
        "--weights", type=Weights(), default=default, show_default=True, help=help_text
    )


def yolo_options(command: Command) -> Command:
    """Add --imgsz and --half."""
    imgsz = click.option(
        "--imgsz",
        type=ImageSize(),
        show_default="the model's own",
        help="Size that YOLO-Pose fits images into. A model that was exported with a fixed size "
        "takes no other.",
    )
    half = click.option(
        "--half",
        is_flag=True,
        help="YOLO-Pose computes in half precision: a .pt file on a GPU, or a model exported so.",
    )
    return imgsz(half(command))
