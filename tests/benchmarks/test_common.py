"""What the performance benchmarks share."""

import json
import platform
from importlib import import_module

import click
import pytest

from benchmarks import __main__ as everything
from benchmarks import common
from benchmarks.studies.common import write_page
from rcnet_rt.errors import DatasetError

STUDIES = (
    "ablations",
    "accuracy",
    "adaptation",
    "drift",
    "flicker",
    "full_coco",
    "guarantees",
    "profile",
    "signals",
    "soak",
)


def test_candidates_take_turns():
    calls = []
    timings = common.side_by_side(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, calls=3, warm_up=1
    )
    assert calls == ["a", "b"] + ["a", "b"] * 3
    for timing in timings.values():
        assert 0 <= timing.p50 <= timing.p99
        assert timing.calls == 3


def test_the_machine_is_described_and_not_named():
    text = json.dumps(common.machine())
    assert platform.python_version() in text
    assert platform.node() not in text


def test_a_report_is_shown_and_written_with_the_machine(tmp_path, capsys):
    path = tmp_path / "figures.json"
    common.report("title", {"share": 0.12345, "rows": [{"poses": 1}, {"poses": 20}]}, path)
    shown = capsys.readouterr().out
    assert "title" in shown
    assert "0.1234" in shown or "0.1235" in shown
    written = json.loads(path.read_text("utf-8"))
    assert written["rows"] == [{"poses": 1}, {"poses": 20}]
    assert written["machine"]["cores"] >= 1
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]


def test_the_parts_that_are_asked_for_are_measured(tmp_path, monkeypatch, capsys):
    part = import_module("benchmarks.speed.training")
    monkeypatch.setattr(part, "measure", lambda: {"seconds": 2.5})
    path = tmp_path / "all.json"
    everything.main(["training", "--json", str(path)], standalone_mode=False)
    assert "one training epoch" in capsys.readouterr().out
    results = json.loads(path.read_text("utf-8"))
    assert list(results) == ["machine", "training"]
    assert results["training"] == {"seconds": 2.5}
    monkeypatch.setattr(part, "measure", lambda: import_module("no_such_package"))
    everything.main(["training"], standalone_mode=False)
    assert "No module named 'no_such_package'" in capsys.readouterr().out
    with pytest.raises(click.UsageError, match="absent"):
        everything.main(["absent"], standalone_mode=False)


def test_every_part_can_be_measured_and_has_a_command():
    for name in everything.PARTS:
        part = import_module(f"benchmarks.speed.{name}")
        assert callable(part.measure)
        assert isinstance(part.main, click.Command)


def test_the_data_are_where_the_variable_says_or_beside_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("RCNET_RT_DATA", str(tmp_path))
    assert common.data_folder() == tmp_path
    monkeypatch.delenv("RCNET_RT_DATA")
    monkeypatch.setattr(common, "CHECKOUT", tmp_path / "checkout")
    with pytest.raises(DatasetError, match="set RCNET_RT_DATA"):
        common.data_folder()
    beside = tmp_path / "shared" / "data"
    beside.mkdir(parents=True)
    assert common.data_folder() == beside


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_a_command_and_its_page_is_that_of_its_results(study, tmp_path):
    pytest.importorskip("psutil", reason="pip install psutil")
    package = f"benchmarks.studies.{study}"
    assert isinstance(import_module(f"{package}.__main__").main, click.Command)
    folder = common.CHECKOUT / "benchmarks" / "studies" / study
    blocks = import_module(f"{package}.report").blocks
    results = json.loads((folder / "results.json").read_text("utf-8"))
    write_page(tmp_path, blocks(folder if study == "flicker" else results))
    assert (tmp_path / "RESULTS.md").read_text("utf-8") == (folder / "RESULTS.md").read_text(
        "utf-8"
    )
