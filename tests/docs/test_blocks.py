"""Every code block of the documentation runs, or says why not.

Blocks of a page run in their order, in one folder and with one set of names. `rcnet-rt` runs in
this process, with a small model in the place of `yolo-pose`, one epoch of training and few
bootstrap draws; `pip`, `make` and `python` are not run: what they name must exist. A block after
`<!-- not run: REASON -->` is not executed, but its `rcnet-rt` commands must still parse.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from rcnet_rt import estimators
from rcnet_rt.cli import COMMANDS, _run, commands
from rcnet_rt.estimators import ultralytics
from rcnet_rt.evaluation import average_precision
from rcnet_rt.evaluation.bootstrap import draws
from rcnet_rt.report import page as report_page
from rcnet_rt.training.config import PRESETS
from tests.helpers.docs_workspace import MODEL, make_workspace, namespace
from tests.helpers.markdown import Block, blocks_of, commands_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
    *sorted((ROOT / "weights").glob("*.md")),
]
BLOCKS = [block for page in PAGES for block in blocks_of(page, ROOT)]
SHELL = ("bash", "console", "sh")
EXECUTED = ("python", "pycon", "json", "jsonl", "yaml", "sql", *SHELL)
SHOWN = ("text", "ini", "docker")  # output and drawings; files that tests/test_processes.py reads
THEORY = "docs/concepts/theory.md"  # tests/docs/test_theory.py runs it
INCLUDE = "--8<--"
MAX_NOT_RUN = 20


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("docs"))


@pytest.fixture
def workspace(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shutil.copytree(template, tmp_path / "workspace")
    monkeypatch.chdir(folder)
    resolve = estimators._resolve
    monkeypatch.setattr(
        estimators, "_resolve", lambda model: resolve(MODEL if model == "yolo-pose" else model)
    )
    monkeypatch.setattr(ultralytics, "fetch", lambda *_, **__: False)  # no download
    short = {name: replace(recipe, epochs=1) for name, recipe in PRESETS.items()}
    for module in ("rcnet_rt.cli.recipe_options", "rcnet_rt.workflows.train"):
        monkeypatch.setattr(importlib.import_module(module), "PRESETS", short)
    monkeypatch.setattr(
        average_precision, "draws", lambda chosen, resamples, seed: draws(chosen, 20, seed)
    )
    monkeypatch.setattr(report_page, "MAX_IMAGES", 1)
    return folder


def runs(block: Block) -> bool:
    return not block.not_run and INCLUDE not in block.text


def pages_that_run() -> list[str]:
    """Return pages with blocks that are executed."""
    names = (block.place.partition(":")[0] for block in BLOCKS if block.language in EXECUTED)
    return [name for name in dict.fromkeys(names) if name != THEORY]


@pytest.mark.parametrize("page", pages_that_run())
def test_the_blocks_of_a_page_run(page: str, workspace: Path) -> None:
    names = namespace()
    for block in BLOCKS:
        if block.place.partition(":")[0] == page and runs(block):
            try:
                execute(block, names)
            except Exception as error:
                raise AssertionError(f"{block.place} fails: {error}") from error


def execute(block: Block, names: dict[str, Any]) -> None:
    if block.title:
        Path(block.title).write_text(block.text, encoding="utf-8")
    if block.language == "python":
        exec(compile(block.text, block.place, "exec"), names)
    elif block.language == "pycon":
        test = doctest.DocTestParser().get_doctest(block.text, names, block.place, None, 0)
        assert doctest.DocTestRunner(verbose=False).run(test, clear_globs=False).failed == 0
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "jsonl":
        assert all(map(json.loads, block.text.splitlines()))
    elif block.language == "yaml":
        assert yaml.safe_load(block.text)
    elif block.language == "sql":
        pytest.importorskip("duckdb").sql(block.text).fetchall()
    elif block.language in SHELL:
        for words in commands_of(block):
            PROGRAMS[words[0]](words)


def run_rcnet_rt(words: list[str]) -> None:
    assert _run(words[1:]) == 0, " ".join(words)


def check_pip(words: list[str]) -> None:
    """The extras that are named are ours."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert words[1] == "install"
    for extras in re.findall(r"rcnet-rt\[(.+?)\]", " ".join(words)):
        for extra in extras.split(","):
            assert re.search(rf"^{re.escape(extra)} = \[", project, re.MULTILINE), extra


def check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in words[1:]:
        assert f"\n{target}:" in makefile, target


def check_python(words: list[str]) -> None:
    """The module or file is there."""
    if words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None, words[2]
    else:
        assert (ROOT / words[1]).is_file(), words[1]


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "rcnet-rt": run_rcnet_rt,
    "pip": check_pip,
    "make": check_make,
    "python": check_python,
    "cd": lambda words: None,
}


def command_lines() -> list[Any]:
    """Return the words of every `rcnet-rt` command of a shell block, run or not."""
    found = []
    for block in BLOCKS:
        if block.language in SHELL:
            for words in commands_of(block):
                if words[0] == "rcnet-rt":
                    found.append(pytest.param(words[1:], id=f"{block.place} {' '.join(words[1:])}"))
    return found


@pytest.mark.parametrize("arguments", command_lines())
def test_commands_parse(arguments: list[str]) -> None:
    name = arguments[0] if arguments[0] in COMMANDS else "run"
    rest = arguments[1:] if arguments[0] in COMMANDS else arguments
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    command.make_context(name, rest)


def test_the_extras_that_are_named_exist() -> None:
    for page in PAGES:
        for command in re.findall(r"pip install [^`\n]+", page.read_text(encoding="utf-8")):
            check_pip(["pip", "install", command])


def test_every_block_is_of_a_language_that_is_looked_at() -> None:
    known = {*EXECUTED, *SHOWN}
    assert {block.place: block.language for block in BLOCKS if block.language not in known} == {}


def test_every_fence_is_found() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(re.findall("```", text)) == 2 * len(blocks_of(page, ROOT)), page
        reasons = re.findall("^<!-- not run:", text, re.MULTILINE)
        assert len(reasons) == sum(bool(block.not_run) for block in blocks_of(page, ROOT)), (
            f"{page}: a reason must stand right before its block"
        )


def test_included_files_are_there() -> None:
    for block in BLOCKS:
        if INCLUDE in block.text:
            for name in re.findall(r"[\w/.-]+/[\w/.-]+", block.text):
                assert (ROOT / name).is_file(), f"{block.place}: {name}"


def test_few_blocks_are_not_run() -> None:
    not_run = [f"{block.place}: {block.not_run}" for block in BLOCKS if block.not_run]
    assert len(not_run) <= MAX_NOT_RUN, "\n".join(not_run)
