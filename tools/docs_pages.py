"""What `make docs` derives from the code: a page for each sub-package, and the tables of the CLI.

The first three functions are events of MkDocs; `Doctests` extends griffe, which reads docstrings.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click
from griffe import Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from rcnet_rt.cli import commands

__all__ = ["Doctests", "on_config", "on_files", "on_page_markdown"]

PACKAGE = Path(__file__).resolve().parents[1] / "rcnet_rt"
COMMANDS = "<!-- commands -->"  # stands in a page where the tables are to go
PAGE = """# rcnet_rt.{name}

::: rcnet_rt.{name}
    options:
      heading_level: 2
      show_root_heading: false
      show_root_toc_entry: false
      show_submodules: true
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages of the sub-packages to the navigation, below the reference."""
    (reference,) = (entry["Reference"] for entry in config.nav if "Reference" in entry)
    reference.append({"Modules": [{name: _page(name)} for name in _subpackages()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the sub-packages."""
    for name in _subpackages():
        files.append(File.generated(config, _page(name), content=PAGE.format(name=name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the options of every command where the page asks for them."""
    if COMMANDS not in markdown:
        return markdown
    group = click.Context(commands, info_name="rcnet-rt")
    return markdown.replace(COMMANDS, "\n".join(_sections(group)))


class Doctests(Extension):
    """Fences the doctests of docstrings: Markdown takes `>>>` for a quotation of a quotation."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Return the text with each doctest, up to the next empty line, in a fence.

    >>> print(fenced(">>> 1 + 1" + chr(10) + "2").replace("`", "'"))
    '''pycon
    >>> 1 + 1
    2
    '''
    """
    return re.sub(r"^>>> .*(?:\n.+)*", r"```pycon\n\g<0>\n```", text, flags=re.MULTILINE)


def _subpackages() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def _page(name: str) -> str:
    return f"reference/modules/{name}.md"


def _sections(group: click.Context) -> Iterator[str]:
    """Yield the Markdown of the group's subcommands, in the order of its own help."""
    assert isinstance(group.command, click.Group)
    for name in group.command.list_commands(group):
        command = group.command.get_command(group, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=group)
        usage = " ".join(command.collect_usage_pieces(context))
        yield f"\n## {name}\n\n```text\n{context.command_path} {usage}\n```\n"
        yield f"{cleandoc(command.help or '')}\n"
        yield "| option | meaning |\n| --- | --- |"
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)  # None for a hidden one
            if record is not None:
                option, meaning = (_literal(text) for text in record)
                yield f"| **{option}** | {meaning} |"


def _literal(text: str) -> str:
    """Return text that a cell of a Markdown table shows as it is; backticks still mark code."""
    return re.sub(r"([|*\[])", r"\\\1", html.escape(text, quote=False))
