"""Notes of what failed, one file a part, from which `failed.parquet` is made."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from rcnet_rt.datasets.parquet.schema import import_parquet
from rcnet_rt.workflows.fleet.items import Failure, PartName
from rcnet_rt.workflows.fleet.store import Store

__all__ = ["FAILED", "collect_notes", "read_notes", "remove_notes", "write_note"]

FAILED = "failed.parquet"
FOLDER, SUFFIX = "failed", ".json"


def write_note(store: Store, part: PartName, failures: Sequence[Failure]) -> None:
    """Write down what a part lacks, or why there is none."""
    content = json.dumps([asdict(failure) for failure in failures]).encode()
    store.write(_file(part.text), content)


def read_notes(store: Store) -> dict[str, list[Failure]]:
    """Return all failures by the names of their parts."""
    notes = {}
    for name in sorted(store.names(FOLDER)):
        content = store.read(f"{FOLDER}/{name}")
        if content is not None and name.endswith(SUFFIX):
            failures = [Failure(**record) for record in json.loads(content)]
            notes[name.removesuffix(SUFFIX)] = failures
    return notes


def remove_notes(store: Store, wanted: Callable[[str, list[Failure]], bool]) -> None:
    """Remove the notes for whose part and failures `wanted` is true."""
    for name, failures in read_notes(store).items():
        if wanted(name, failures):
            store.remove(_file(name))


def collect_notes(store: Store) -> list[Failure]:
    """Write all notes into `failed.parquet`, which is removed where there are none; return them."""
    failures = [failure for noted in read_notes(store).values() for failure in noted]
    if not failures:
        store.remove(FAILED)
        return []
    parquet = import_parquet()
    import pyarrow as pa

    kinds = {"source": pa.string(), "reason": pa.string(), "first_frame": pa.int64()}
    kinds["frames"] = pa.int64()
    columns = {
        field.name: pa.array([getattr(f, field.name) for f in failures], kinds[field.name])
        for field in fields(Failure)
    }
    with store.staging(FOLDER) as folder:
        parquet.write_table(pa.table(columns), folder / FAILED)
        store.publish(Path(folder) / FAILED, FAILED)
    return failures


def _file(name: str) -> str:
    return f"{FOLDER}/{name}{SUFFIX}"
