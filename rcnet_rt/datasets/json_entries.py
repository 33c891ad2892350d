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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, TextIO

import numpy as np
import numpy.typing as npt

__all__ = ["EntryBlock", "copy_with_texts", "open_text", "read_entries"]

BLOCK = 1 << 23  # characters
MAX_ENTRY = 1 << 26  # characters; where a longer one does not parse, the file is damaged
AT_ONCE = 10_000  # scores

Span = tuple[int, int]

SPACE = re.compile(r"[ \t\n\r]*")
SCORE = re.compile(r'"score"[ \t\n\r]*:[ \t\n\r]*([-+.0-9a-zA-Z]+)')
KEYS = ("image_id", "keypoints", "score", "bbox", "box")  # those that are read

_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True)
class EntryBlock:
    """Some entries of the array.

    Attributes:
        entries: N of them.
        scores: (N, 2) where in the text, in characters, the score of each begins and ends; both are
            the same where there is none.
    """

    entries: list[Any]
    scores: npt.NDArray[np.int64]


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
    while not text.strip() and (more := file.read(size)):
        text += more
    position = _after(text, _skip(text, 0), "[", "expected a list of entries")
    first = True
    while True:
        entries: list[Any] = []
        places: list[Span] = []
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
            entries.append(entry)
            places.append((begin, end))
            position, first = end, False
        spans = np.array(_score_spans(text, entries, places), np.int64).reshape(-1, 2)
        yield EntryBlock(entries, start + spans)
        if ended:
            if any(rest.strip() for rest in chain([text[begin + 1 :]], file)):
                raise _damaged("something follows the list", start + begin + 1)
            return
        more = file.read(size)
        if not more:
            raise _damaged("the list does not end", start + position)
        text, start, position = text[position:] + more, start + position, 0


def copy_with_texts(
    source: TextIO,
    target: TextIO,
    spans: npt.NDArray[np.int64],
    texts: Callable[[slice], Iterable[str]],
) -> None:
    """Copy a text, with other texts in place of what stands at the (N, 2) spans.

    Args:
        source: read from its beginning.
        target: written to.
        spans: where, in ascending order.
        texts: gives those for some of the spans.
    """
    position = 0
    for first in range(0, len(spans), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        text = source.read(int(spans[some][-1, 1]) - position)
        pieces: list[str] = []
        copied = 0
        local = (spans[some] - position).tolist()
        for (begin, end), replacement in zip(local, texts(some), strict=True):
            pieces += text[copied:begin], replacement
            copied = end
        target.write("".join(pieces))
        position += len(text)
    shutil.copyfileobj(source, target, BLOCK)


def _score_spans(text: str, entries: list[Any], places: list[Span]) -> list[Span]:
    """Return where the score of each entry stands, entries standing at these places."""
    if entries and all(isinstance(entry, dict) for entry in entries):
        begin, end = places[0][0], places[-1][1]
        # Without escapes an entry has each of its keys in the text. If that is as often as there
        # are entries with the key, none has it twice, or once more further down.
        if text.find("\\", begin, end) < 0 and all(
            text.count(f'"{key}"', begin, end) == sum(key in entry for entry in entries)
            for key in KEYS
        ):
            spans = [found.span(1) for found in SCORE.finditer(text, begin, end)]
            if len(spans) == len(entries):
                return spans
    return [
        _score_span(text, begin, entry) for entry, (begin, _) in zip(entries, places, strict=True)
    ]


def _score_span(text: str, begin: int, entry: Any) -> Span:
    if not isinstance(entry, dict) or "score" not in entry:
        return begin, begin
    spans: dict[str, Span] = {}
    for key, span in _members(text, begin):
        if key in spans and key in KEYS:
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
