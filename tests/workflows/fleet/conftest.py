"""Fixtures of the fleet's tests; all of them need pyarrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcnet_rt.workflows.fleet import run
from tests.helpers.fleet import InlinePool, write_video

pytest.importorskip("pyarrow", reason="pip install 'rcnet-rt[parquet]'")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three videos of 2 s, 1 s and 1/3 s."""
    folder = tmp_path_factory.mktemp("clips")
    for seed, frames in enumerate((60, 30, 10)):
        write_video(folder / f"{seed}.mp4", frames, seed=seed)
    return folder


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> type[InlinePool]:
    """Workers run in this process, which counts them and their items."""
    for name, empty in (("die_at", set()), ("started", []), ("items", [])):
        monkeypatch.setattr(InlinePool, name, empty)
    monkeypatch.setattr(run, "ProcessPool", InlinePool)
    return InlinePool
