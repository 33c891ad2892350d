"""Options of the training recipe: a preset, and what is chosen otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import click

from rcnet_rt.cli.option_types import OptionWithFormerNames
from rcnet_rt.rescoring import features
from rcnet_rt.rescoring.feature_groups import FEATURE_GROUPS
from rcnet_rt.rescoring.network_config import Architecture
from rcnet_rt.training import losses
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.dataset import Target

__all__ = ["chosen_recipe", "recipe_options"]

OF_THE_PRESET = "the preset's"
OPTIONS = (
    click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        default="residual",
        show_default=True,
        help="All that is not chosen otherwise: ours (residual), or the paper's.",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        show_default="20, up to 40 for few images; paper 50",
        help="Passes over the training images.",
    ),
    click.option(
        "--arch",
        type=click.Choice(get_args(Architecture)),
        show_default=OF_THE_PRESET,
        help="Architecture of the network.",
    ),
    click.option(
        "--features",
        type=click.Choice(list(features.FEATURE_SETS)),
        show_default=OF_THE_PRESET,
        help="What the network is given of each pose.",
    ),
    click.option(
        "--without",
        multiple=True,
        type=click.Choice(list(FEATURE_GROUPS)),
        show_default=OF_THE_PRESET,
        help="A group of features that the network does not read; repeat for several.",
    ),
    click.option(
        "--baseline",
        "baseline",
        cls=OptionWithFormerNames,
        former=["--base"],
        show_default=OF_THE_PRESET,
        help="Baseline; auto is the best on the training images.",
    ),
    click.option(
        "--target",
        type=click.Choice(get_args(Target)),
        show_default=OF_THE_PRESET,
        help="What is learned: the matched OKS, or the share of COCO's OKS thresholds it reaches.",
    ),
    click.option(
        "--loss",
        type=click.Choice(list(losses.LOSSES)),
        show_default=OF_THE_PRESET,
        help="Loss of the training.",
    ),
    click.option(
        "--margin",
        type=click.FloatRange(0, 1),
        show_default=OF_THE_PRESET,
        help="Margin of the rank loss.",
    ),
    click.option(
        "--positive",
        type=click.FloatRange(0, 1, min_open=True),
        show_default=OF_THE_PRESET,
        help="Matched OKS from which a pose is a true positive, of the losses ap and dr.",
    ),
    click.option(
        "--learning-rate",
        type=click.FloatRange(0, min_open=True),
        show_default=OF_THE_PRESET,
        help="Learning rate of AdamW after the warm-up.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        show_default=OF_THE_PRESET,
        help="Seed of everything that is random.",
    ),
)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --preset and the options of a recipe; `chosen_recipe` takes them."""
    return functools.reduce(lambda made, option: option(made), reversed(OPTIONS), command)


def chosen_recipe(preset: str, changes: dict[str, Any]) -> Recipe:
    """Return the preset with what was chosen otherwise.

    Raises:
        click.UsageError: an option of another loss.
    """
    named = {"architecture" if name == "arch" else name: value for name, value in changes.items()}
    given = {name: value for name, value in named.items() if value not in (None, ())}
    recipe = replace(PRESETS[preset], **given)
    _check_options(recipe.loss, given)
    return recipe


def _check_options(loss: str, given: Mapping[str, Any]) -> None:
    """Refuse an option of another loss, which would change nothing."""
    owners = {
        option: [name for name, other in losses.LOSSES.items() if option in other.options]
        for option in ("margin", "positive")
    }
    for option, names in owners.items():
        if given.get(option) is not None and loss not in names:
            raise click.UsageError(f"--{option} belongs to --loss {' and '.join(names)}")
