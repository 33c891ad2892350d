from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from rcnet_rt import benchmark
from rcnet_rt.backends import choice
from rcnet_rt.rescoring.weights import baseline
from rcnet_rt.workflows.progress import Progress


def test_every_backend_that_works_here_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[Progress] = []
    measured = benchmark(calls=1, counts=(1, 3), device="cpu", progress=steps.append)
    here = [name for name in choice.NAMES if name != "auto" and not choice.missing(name, "cpu")]
    assert [backend.name for backend in measured.backends] == here
    assert len(measured.absent) == len(choice.NAMES) - 1 - len(here)
    for backend in measured.backends:
        assert list(backend.latencies) == [1, 3]
        assert all(0 < lat.median <= lat.p99 for lat in backend.latencies.values())
        assert backend.poses_per_second > 0
    assert measured.weights == "yolo-pose"
    assert measured.auto_backend == choice.auto("cpu")[0]
    assert "cores; Python" in measured.machine
    assert [step.done for step in steps] == list(range(1, steps[0].total + 1))
    assert capsys.readouterr().out == ""
    with pytest.raises(FrozenInstanceError):
        measured.weights = ""  # type: ignore[misc]


def test_weights_may_be_given_themselves() -> None:
    measured = benchmark(baseline("score"), calls=1, counts=(1,), device="cpu")
    assert measured.auto_reason == "a baseline needs no network"
