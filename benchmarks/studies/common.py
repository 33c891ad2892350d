"""What the studies share: options, findings from Markdown, where figures come from, their pages."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from benchmarks.common import cpu_name, write
from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.training.config import PRESETS

__all__ = [
    "VIEWS",
    "Findings",
    "bootstrap_options",
    "gain_text",
    "out_option",
    "provenance",
    "provenance_text",
    "read_findings",
    "store",
    "stored",
    "table",
    "write_page",
]

Command = TypeVar("Command", bound=Callable[..., Any])

VIEWS = {"all": "all images", "complete": "fully annotated images"}


def out_option(folder: Path) -> Callable[[Command], Command]:
    """Add `--out FOLDER`, by default the folder of the study."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        default=folder,
        help="Folder of results.json and RESULTS.md.  [default: that of the study]",
    )


def bootstrap_options(
    fold_seeds: int, resamples: int, workers: int
) -> Callable[[Command], Command]:
    """Add `--fold-seeds`, `--resamples` and `--workers` with these defaults."""
    options = (
        click.option("--fold-seeds", default=fold_seeds, show_default=True, help="Splits tried."),
        click.option("--resamples", default=resamples, show_default=True, help="Of the bootstrap."),
        click.option(
            "--workers", default=workers, show_default=True, help="Processes of one thread each."
        ),
    )

    def add(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return add


class Findings(NamedTuple):
    """What a person wrote about the figures: an introduction, and a text for each section."""

    introduction: str
    sections: dict[str, str]


def read_findings(folder: Path) -> Findings:
    """Return a study's FINDINGS.md: a level-2 heading names the section that its text is for."""
    introduction, *parts = (folder / "FINDINGS.md").read_text("utf-8").split("\n## ")
    sections = (part.partition("\n") for part in parts)
    return Findings(
        introduction.strip(), {name.strip(): text.strip() for name, _, text in sections}
    )


def stored(folder: Path) -> dict[str, Any]:
    """Return the parts of results.json, by name; none where there is no file."""
    path = folder / "results.json"
    parts: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return parts


def store(folder: Path, order: Iterable[str], part: str, result: dict[str, Any]) -> dict[str, Any]:
    """Put a part into results.json, beside the parts that are there; return all, in order."""
    known = stored(folder) | {part: result}
    ordered = {name: known[name] for name in order if name in known}
    folder.mkdir(parents=True, exist_ok=True)
    write(ordered, folder / "results.json")
    return ordered


def write_page(folder: Path, blocks: Iterable[str]) -> None:
    """Write RESULTS.md: blocks of Markdown with an empty line between; empty ones are left out."""
    text = "\n\n".join(block.strip("\n") for block in blocks if block.strip())
    write_bytes(folder / "RESULTS.md", f"{text}\n".encode())


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table.

    >>> print(table(["name", "AP"], [["raw score", "47.11"]]))
    | name | AP |
    | --- | --- |
    | raw score | 47.11 |
    """
    head = list(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def gain_text(gain: dict[str, float] | None) -> str:
    """Return a difference with its interval, marked ≈ if that holds 0; nothing where none is."""
    if gain is None or gain["low"] == gain["high"] == 0:
        return ""
    noise = " ≈" if gain["low"] <= 0 <= gain["high"] else ""
    return f"{gain['difference']:+.2f} [{gain['low']:.2f}, {gain['high']:.2f}]{noise}"


def provenance(command: str, seconds: float) -> dict[str, Any]:
    """Return when, by what and on what figures were measured."""
    packages = ("rcnet-rt", "torch", "numpy", "lightgbm")
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": command,
        "seconds": round(seconds),
        "machine": f"{os.cpu_count()} cores of {cpu_name()}",
        "default_recipe": asdict(PRESETS["residual"]),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in packages},
        },
    }


def provenance_text(made: dict[str, Any]) -> str:
    """Return that as a sentence."""
    versions = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
    return (
        f"`{made['command']}`, {made['date']}, {made['seconds'] / 60:.0f} minutes on "
        f"{made['machine']}; {versions}."
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
