"""Entries of a JSON array in blocks, and the text again with other scores."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcnet_rt.datasets.json_entries import copy_with_texts, read_entries

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
)
KEYS = st.one_of(st.sampled_from(["score", "keypoints", "bbox", "note"]), st.text(max_size=4))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.lists(
    st.dictionaries(KEYS, VALUES, max_size=4).map(lambda entry: {**entry, "score": 0.5}), max_size=6
)


def rewritten(text: str, size: int = 1 << 20) -> tuple[list[Any], str]:
    blocks = list(read_entries(io.StringIO(text), size))
    entries = [entry for block in blocks for entry in block.entries]
    spans = np.concatenate([block.scores for block in blocks])
    target = io.StringIO()
    scores = np.arange(len(entries)) / 8
    copy_with_texts(io.StringIO(text), target, spans, lambda some: map(repr, scores[some].tolist()))
    return entries, target.getvalue()


@given(
    ENTRIES,
    st.sampled_from([None, 1]),
    st.sampled_from([(",", ":"), (" , ", " : ")]),
    st.booleans(),
    st.integers(1, 200),
)
def test_only_the_scores_change(
    entries: list[Any], indent: int | None, separators: tuple[str, str], ascii_: bool, size: int
) -> None:
    text = json.dumps(entries, indent=indent, separators=separators, ensure_ascii=ascii_)
    read, written = rewritten(text, size)
    assert read == json.loads(text)
    expected = [{**entry, "score": number / 8} for number, entry in enumerate(entries)]
    assert written == json.dumps(
        expected, indent=indent, separators=separators, ensure_ascii=ascii_
    )


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "entry",
    [
        '{"score": SCORE, "note": 0.10000000000000000555111512312578270211815834045410156250}',
        '{"note": 1e400, "score": SCORE, "huge": 123456789012345678901234567890}',
        '{"a": {"score": 7}, "score": SCORE, "b": [{"score": 8}]}',
        '{"a": "\\"score\\": 5, \\u0041", "\\u0073core": SCORE}',
        '{"note": 1, "note": 2, "score": SCORE}',
        '{"sort": "score", "score"\n:\tSCORE , "z": [1.50, -0.0, 1E5, NaN]}',
        '{"ü": "ä\\ud800", "score": SCORE}',
    ],
)
def test_all_else_stays_to_the_letter(entry: str, size: int) -> None:
    def text(*scores: str) -> str:
        return " [ \n" + ", ".join(entry.replace("SCORE", score) for score in scores) + " ]\n"

    assert rewritten(text("1e-3", "-7", "NaN"), size)[1] == text("0.0", "0.125", "0.25")


@pytest.mark.parametrize("key", ["score", "image_id", "keypoints", "bbox"])
def test_keys_that_are_read_may_not_be_there_twice(key: str) -> None:
    text = f'[{{"score": 1, "{key}": 1, "{key}": 2}}]'
    with pytest.raises(ValueError, match=f"an entry has '{key}' twice"):
        list(read_entries(io.StringIO(text)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a list"),
        ('{"images": []}', "expected a list"),
        ("[", "does not end"),
        ('[{"score": 1}', "does not end: character 13"),
        ('[{"score": 1}, {"sco', "does not end"),
        ('[{"score": 1}] [', "something follows the list: character 14"),
        ('[{"score": 1} {"score": 2}]', "expected ',' or ']': character 14"),
    ],
)
def test_what_is_cut_off_or_no_list(text: str, message: str) -> None:
    for size in (1, 5, 1000):
        with pytest.raises(ValueError, match=message):
            list(read_entries(io.StringIO(text), size))


def test_an_empty_list() -> None:
    assert rewritten(" [ ] ") == ([], " [ ] ")
