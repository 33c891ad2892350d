"""What the performance benchmarks share."""

import json
import platform
import sys
import types
from importlib import import_module

import pytest

from benchmarks import __main__ as everything
from benchmarks import common


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


def test_all_parts_that_are_there_are_measured(tmp_path, monkeypatch, capsys):
    part = types.ModuleType("benchmarks.invented")
    part.measure = lambda: {"seconds": 2.5}
    part.__spec__ = types.SimpleNamespace(name="benchmarks.invented")
    monkeypatch.setitem(sys.modules, "benchmarks.invented", part)
    monkeypatch.setattr(everything, "PARTS", {"invented": "a part", "absent": "not there"})
    results = everything.main(["--json", str(tmp_path / "all.json")])
    assert list(results) == ["machine", "invented"]
    assert "a part" in capsys.readouterr().out
    assert json.loads((tmp_path / "all.json").read_text("utf-8"))["invented"] == {"seconds": 2.5}
    part.measure = lambda: import_module("no_such_package")
    assert "no_such_package" in everything.main([])["invented"]["not measured"]
    with pytest.raises(SystemExit):
        everything.main(["absent"])
