from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from rcnet_rt.monitoring.drift import Change
from rcnet_rt.serving.live_view import LiveView
from rcnet_rt.serving.metrics import metrics
from rcnet_rt.video.pipeline import Result

LINE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
SUFFIXES = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("", "_sum", "_count"),
}


class Parsed(NamedTuple):
    """By the rules of the text format 0.0.4: types of families, values by name and labels."""

    types: dict[str, str]
    values: dict[tuple[str, str], float]


def parse(text: str) -> Parsed:
    assert text.endswith("\n")
    types: dict[str, str] = {}
    values: dict[tuple[str, str], float] = {}
    helped = set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split()[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name in helped
            assert name not in types, "a family comes once"
            types[name] = kind
        else:
            match = LINE.fullmatch(line)
            assert match is not None, line
            key = (match[1], match[2] or "")
            assert key not in values
            values[key] = float(match[3])
            family = list(types)[-1]
            assert match[1] in {family + suffix for suffix in SUFFIXES[types[family]]}
    return Parsed(types, values)


def test_metrics(view: LiveView, result: Callable[[int], Result]) -> None:
    for index in range(4):
        view.write(result(index))
        view.telemetry.outgoing(result(index).frame)
    for seconds in (0.004, 0.03, 7.0):
        view.telemetry.age.add(seconds)
    view.telemetry.dropped = 3
    view.threshold.move(0.4)
    types, values = parse(metrics(view, viewers=2))
    assert values["rcnet_rt_frames_total", ""] == 4
    assert values["rcnet_rt_frames_dropped_total", ""] == 3
    assert values["rcnet_rt_poses_total", ""] == 20
    assert values["rcnet_rt_threshold", ""] == 0.4
    assert values["rcnet_rt_viewers", ""] == 2
    (about,) = (labels for name, labels in values if name == "rcnet_rt_info")
    assert r'source="a \"clip\".mp4"' in about
    assert types["rcnet_rt_latency_seconds"] == "histogram"
    assert types["rcnet_rt_stage_seconds"] == "summary"
    counters = [name for name, kind in types.items() if kind == "counter"]
    assert all(name.endswith("_total") for name in counters)
    buckets = {
        labels: value for (name, labels), value in values.items() if name.endswith("_bucket")
    }
    assert list(buckets.values()) == sorted(buckets.values()), "cumulative"
    assert buckets['le="5.0"'] == 6
    assert buckets['le="+Inf"'] == values["rcnet_rt_latency_seconds_count", ""] == 7
    assert values["rcnet_rt_latency_seconds_sum", ""] == pytest.approx(7.034, abs=0.5)


def test_drift_is_there_by_what_changed(view: LiveView, result: Callable[[int], Result]) -> None:
    changes = (Change("brightness", "image darker: mean brightness 92 -> 31", 92.0, 31.0),)
    view.telemetry.alarm("brightness")
    view.telemetry.alarm("frozen")
    view.write(replace(result(0), drift=changes))
    values = parse(metrics(view, viewers=0)).values
    assert values["rcnet_rt_drift_alarms_total", 'what="brightness"'] == 1
    assert values["rcnet_rt_drift", 'what="brightness"'] == 1
    assert values["rcnet_rt_drift", 'what="frozen"'] == 0
    state = view.state()
    assert state["drift"][0]["text"] == "image darker: mean brightness 92 -> 31"
    assert state["drift_alarms"] == {"brightness": 1, "frozen": 1}
    view.write(result(1))
    assert view.state()["drift"] == []


def test_metrics_by_the_parser_of_prometheus(view: LiveView) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus_client is not here")
    families = {f.name: f for f in parser.text_string_to_metric_families(metrics(view, 0))}
    assert families["rcnet_rt_frames"].type == "counter"
    assert families["rcnet_rt_latency_seconds"].type == "histogram"
