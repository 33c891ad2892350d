"""From the options of `train` to a recipe."""

from __future__ import annotations

from dataclasses import fields, replace

import click
import pytest

from rcnet_rt.cli.recipe_options import chosen_recipe, recipe_options
from rcnet_rt.training.config import PRESETS, Recipe


def options() -> dict[str, click.Option]:
    """Return the options that a command gets, by the names of its arguments."""
    command = click.command()(recipe_options(lambda **_: None))
    return {option.name: option for option in command.params if isinstance(option, click.Option)}


def test_every_option_changes_a_field_of_the_recipe() -> None:
    names = set(options()) - {"preset"}
    assert {"architecture" if name == "arch" else name for name in names} <= {
        field.name for field in fields(Recipe)
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_not_chosen_is_the_presets(preset: str) -> None:
    nothing = {**dict.fromkeys(options().keys() - {"preset"}), "without": ()}
    assert chosen_recipe(preset, nothing) == PRESETS[preset]
    chosen = {**nothing, "arch": "linear", "epochs": 3, "seed": 0}
    expected = replace(PRESETS[preset], architecture="linear", epochs=3, seed=0)
    assert chosen_recipe(preset, chosen) == expected


def test_an_option_of_another_loss_is_refused() -> None:
    with pytest.raises(click.UsageError, match="--margin belongs to --loss rank"):
        chosen_recipe("residual", {"loss": "ap", "margin": 0.1})
    with pytest.raises(click.UsageError, match="--positive belongs to --loss ap and dr"):
        chosen_recipe("residual", {"loss": "rank", "positive": 0.5})
