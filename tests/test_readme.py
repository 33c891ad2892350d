"""What the README shows exists: its commands parse, its Python runs, its files are there."""

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest

from rcnet_rt.cli import COMMANDS, commands

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def command_lines():
    lines = "\n".join(blocks("bash")).splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.startswith("rcnet-rt ")]


@pytest.mark.parametrize("line", command_lines())
def test_commands_parse(line):
    arguments = shlex.split(line)[1:]
    name = arguments[0] if arguments[0] in COMMANDS else "run"
    rest = arguments[1:] if arguments[0] in COMMANDS else arguments
    command = commands.get_command(click.Context(commands), name)
    command.make_context(name, rest)


def test_the_python_runs():
    rng = np.random.default_rng(0)
    names = {
        "keypoints": rng.uniform(0, 300, (4, 17, 2)),
        "scores": rng.uniform(0.1, 1, 4),
        "confidences": rng.uniform(0, 1, (4, 17)),
        "boxes": np.tile([0.0, 0.0, 300.0, 300.0], (4, 1)),
    }
    for block in blocks("python"):
        exec(block, names)
    assert names["new"].shape == (4,)


def test_the_files_are_there():
    for name in re.findall(r"`((?:rcnet_rt|weights|benchmarks|examples)/?[\w/.*]*)`", README):
        assert list(ROOT.glob(name.rstrip("/"))), name


def test_make_targets_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\S+)", "\n".join(blocks("bash")), re.MULTILINE):
        assert f"\n{target}:" in makefile
