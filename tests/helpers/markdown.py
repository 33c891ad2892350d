"""Fenced code blocks of Markdown pages, and the commands in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "blocks_of", "commands_of"]

FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?"
    r"^```(?P<language>[\w-]*)(?: title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        place: page and line, for messages.
        language: after the fence, "" for none.
        text: between the fences.
        title: name of the file that it is, "" where it is none.
        not_run: why it is not executed, from a comment before it; "" where it is.
    """

    place: str
    language: str
    text: str
    title: str
    not_run: str


def blocks_of(page: Path, root: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(root).as_posix()
    return [
        Block(
            f"{name}:{text.count(chr(10), 0, found.start('text'))}",
            found["language"],
            found["text"],
            found["title"] or "",
            found["reason"] or "",
        )
        for found in FENCE.finditer(text)
    ]


def commands_of(block: Block) -> list[list[str]]:
    """Return the words of each command of a shell block, without comments.

    >>> commands_of(Block("", "bash", "make x # y\\na \\\\\\n  'b c'\\n", "", ""))
    [['make', 'x'], ['a', 'b c']]
    """
    lines = block.text.replace("\\\n", " ").splitlines()
    split = (shlex.split(line, comments=True) for line in lines)
    return [words for words in split if words]
