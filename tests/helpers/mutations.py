"""Damage for fuzzing: JSON values with a part replaced, files with bytes changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

__all__ = ["damaged_bytes", "json_files", "json_scalars", "mutated"]

Path = tuple[Any, ...]

# Lone surrogates are text in JSON, too; numbers may be beyond 64 bits, infinite or NaN.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
json_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, 2**63, -(2**63) - 1, 2**64, 10**400, -0.0, 1e-320, 1e308]),
    st.floats(),
    TEXTS,
)
json_values = st.one_of(
    json_scalars,
    st.lists(json_scalars, max_size=4),
    st.dictionaries(TEXTS, json_scalars, max_size=2),
    st.just([[]]),
    st.just([[[1.0, 2.0, 0.5]]]),
)


@st.composite
def mutated(draw: st.DrawFn, value: Any, changes: int = 3) -> Any:
    """Draw a JSON value in which up to `changes` parts are replaced, removed or doubled."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(0, changes))):
        path = draw(st.sampled_from(list(_paths(value))))
        if not path:
            continue
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        action = draw(st.sampled_from(["replace", "replace", "remove", "double"]))
        if action == "replace":
            # A copy: what is changed later must not be what the strategy draws from.
            parent[path[-1]] = copy.deepcopy(draw(json_values))
        elif action == "remove":
            del parent[path[-1]]
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
        else:
            parent[draw(TEXTS)] = copy.deepcopy(parent[path[-1]])
    return value


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each part; of long lists of numbers only some, or they would be all."""
    yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _paths(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value[:3]):
            yield from _paths(part, (*path, index))


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes, changes: int = 3) -> bytes:
    """Draw the bytes with some changed, inserted or removed, or the end cut off."""
    data = bytearray(content)
    for _ in range(draw(st.integers(0, changes))):
        begin = draw(st.integers(0, len(data)))
        end = begin + draw(st.integers(0, 8))
        data[begin:end] = draw(st.binary(max_size=8))
    if draw(st.integers(0, 3)) == 0:
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


@st.composite
def json_files(draw: st.DrawFn, value: Any) -> bytes:
    """Draw the content of a file: of the value mutated, of its text damaged, or of any bytes."""
    kind = draw(st.sampled_from(["value", "value", "bytes", "any"]))
    if kind == "any":
        return draw(st.binary(max_size=60))
    if kind == "bytes":
        return draw(damaged_bytes(json.dumps(value).encode()))
    return json.dumps(draw(mutated(value)), ensure_ascii=draw(st.booleans())).encode(
        "utf-8", "surrogatepass"
    )
