"""The entries of a JSON array one after another, and the same text again with other scores.

Files of results have gigabytes, and what tools write besides the score must not change by a digit.
So entries are parsed in blocks, and the position of each score in the text is remembered; writing
copies the text and replaces these numbers.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TextIO

import numpy as np
import numpy.typing as npt

__all__ = ["EntryBlock", "copy_with_scores", "open_text", "read_entries"]

BLOCK = 1 << 23  # characters
MAX_ENTRY = 1 << 26  # characters; where a longer one does not parse, the file is damaged
AT_ONCE = 10_000  # scores

Span = tuple[int, int]

SPACE = re.compile(r"[ \t\n\r]*")
SCORE = re.compile(r'"score"[ \t\n\r]*:[ \t\n\r]*([-+.0-9a-zA-Z]+)')
KEYS = ('"image_id"', '"keypoints"', '"score"', '"bbox"', '"box"')  # those that are read

_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True)
class EntryBlock:
    """Some entries of the array, and where in the text (characters) the score of each is.

    Where an entry has no score the position is empty.
    """

    entries: list[Any]
    scores: list[Span]


@contextmanager
def open_text(file: BinaryIO) -> Iterator[TextIO]:
    """Yield a file's text from its beginning, in whichever of Unicode's encodings it is."""
    file.seek(0)
    encoding = json.detect_encoding(file.read(4))
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, "surrogatepass", newline="")
    try:
        yield text
    finally:
        text.detach()  # the file stays open


def read_entries(file: TextIO, size: int = BLOCK) -> Iterator[EntryBlock]:
    """Yield the entries of an array in blocks of about `size` characters.

    Raises:
        ValueError: the text is cut off or no JSON array, or an entry has a key twice.
    """
    text, start = file.read(size), 0
    position = _after(text, _skip(text, 0), "[", "expected a list of entries")
    first = True
    while True:
        block = EntryBlock([], [])
        ended = False
        while (begin := _skip(text, position)) < len(text):
            if ended := text[begin] == "]":
                break
            if not first:
                begin = _skip(text, _after(text, begin, ",", "expected ',' or ']'", start))
            try:
                entry, end = _decode(text, begin)
            except json.JSONDecodeError as error:
                if len(text) - begin > MAX_ENTRY:
                    raise _damaged(error.msg, start + error.pos) from error
                break
            span = _score_span(text, begin, end, entry)
            block.entries.append(entry)
            block.scores.append((start + span[0], start + span[1]))
            position, first = end, False
        yield block
        if ended:
            return
        more = file.read(size)
        if not more:
            raise _damaged("the list does not end", start + position)
        text, start, position = text[position:] + more, start + position, 0


def copy_with_scores(
    source: TextIO,
    target: TextIO,
    spans: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
) -> None:
    """Copy a text, with the (N,) scores in place of what stands at the (N, 2) spans."""
    position = 0
    for first in range(0, len(spans), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        text = source.read(int(spans[some][-1, 1]) - position)
        pieces: list[str] = []
        copied = 0
        local = (spans[some] - position).tolist()
        for (begin, end), score in zip(local, scores[some].tolist(), strict=True):
            pieces += text[copied:begin], repr(score)
            copied = end
        target.write("".join(pieces))
        position += len(text)
    shutil.copyfileobj(source, target, BLOCK)


def _score_span(text: str, begin: int, end: int, entry: Any) -> Span:
    """Return where the number of an entry's score stands; empty where it has none."""
    if not isinstance(entry, dict) or "score" not in entry:
        return begin, begin
    plain = text.find("\\", begin, end) < 0  # no key is written with escapes
    if plain and all(text.count(key, begin, end) <= 1 for key in KEYS):
        found = SCORE.search(text, begin, end)
        if found is not None:
            return found.span(1)
    spans: dict[str, Span] = {}
    for key, span in _members(text, begin):
        if key in spans and f'"{key}"' in KEYS:
            raise _damaged(f"an entry has {key!r} twice", span[0])
        spans[key] = span
    return spans["score"]


def _members(text: str, begin: int) -> Iterator[tuple[str, Span]]:
    """Yield the keys of the object that begins there, and where their values stand."""
    position = _skip(text, begin + 1)
    while text[position] != "}":
        key, position = _decode(text, position)
        position = _skip(text, _skip(text, position) + 1)
        _, end = _decode(text, position)
        yield key, (position, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    """Return the position of the next character that is not white space."""
    found = SPACE.match(text, position)
    assert found is not None
    return found.end()


def _after(text: str, position: int, expected: str, message: str, start: int = 0) -> int:
    if text[position : position + 1] != expected:
        raise _damaged(message, start + position)
    return position + 1


def _damaged(message: str, position: int) -> ValueError:
    return ValueError(f"{message}: character {position}")
