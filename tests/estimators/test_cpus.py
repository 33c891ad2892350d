"""How many CPUs may be used: affinity, and the quotas of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rcnet_rt.estimators import cpus
from rcnet_rt.estimators.cpus import available_cpus


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 16 CPUs, whose control groups are in the folder."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(cpus, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(cpus, "OWN_GROUPS", tmp_path / "own")
    (tmp_path / "own").write_text("4:memory:/there\n0::/service/job\n")
    (tmp_path / "service" / "job").mkdir(parents=True)
    return tmp_path


def test_without_a_quota_the_affinity(groups: Path) -> None:
    (groups / "service" / "job" / "cpu.max").write_text("max 100000\n")
    assert available_cpus() == 16
    (groups / "own").unlink()
    assert available_cpus() == 16


@pytest.mark.parametrize(
    ("quota", "count"), [("300000 100000", 3), ("150000 100000", 2), ("1000 100000", 1)]
)
@pytest.mark.parametrize("place", [".", "service", "service/job"])
def test_the_smallest_quota_on_the_way_up(groups: Path, place: str, quota: str, count: int) -> None:
    (groups / "service" / "job" / "cpu.max").write_text("800000 100000\n")
    (groups / place / "cpu.max").write_text(quota)
    assert available_cpus() == count


@pytest.mark.parametrize(("quota", "count"), [("-1", 16), ("250000", 3)])
def test_the_first_version_of_control_groups(groups: Path, quota: str, count: int) -> None:
    (groups / "cpu").mkdir()
    (groups / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (groups / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert available_cpus() == count


def test_where_there_is_no_affinity(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus() == 1
