"""`rcnet-rt predict SOURCES…`: the two kinds of input, and what is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rcnet_rt.cli import fleet, main
from rcnet_rt.workflows.fleet.items import Failure
from rcnet_rt.workflows.fleet.run import FleetSummary


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *map(str, arguments)])
    return stopped.value.code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.mp4", "--coco", "coco"], "not both"),
        (["a.mp4", "--limit", "3"], "--limit: not an option of predicting SOURCES"),
        (["a.mp4", "--candidates"], "--candidates: not an option of predicting SOURCES"),
        (["--coco", "coco", "--shard", "1/2"], "--shard: not an option of predicting a dataset"),
        (["--coco", "coco", "--crowdpose", "crowdpose"], "one of --coco DIR and --crowdpose DIR"),
        ([], "give SOURCES, or a dataset"),
        (["a.mp4", "--shard", "3/2"], "'3/2' is no share"),
        (["a.mp4", "--shard", "0/2"], "'0/2' is no share"),
    ],
)
def test_the_two_kinds_of_input_do_not_mix(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--out", "out") == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the workflow is called with; it answers that a video failed if one is called bad."""
    given: dict[str, Any] = {}

    def predict_sources(
        sources: tuple[str, ...], model: str, out: str, **options: Any
    ) -> FleetSummary:
        given.update(options, sources=sources, model=model, out=out)
        failures = tuple(Failure(name, "no video") for name in sources if "bad" in name)
        return FleetSummary(out, 2, 5, 1500, 3000, failures, 10.0)

    monkeypatch.setattr(fleet, "predict_sources", predict_sources)
    return given


def test_options_reach_the_workflow(
    called: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out = "s3://bucket/out"
    options = ["--workers", "4", "--shard", "2/8", "--conf", "0.3", "--segment", "60", "--track"]
    assert run("s3://bucket/*.mp4", "b.txt", "--out", out, *options) == 0
    assert called["sources"] == ("s3://bucket/*.mp4", "b.txt")
    assert (called["out"], called["shard"], called["threshold"]) == (out, (2, 8), 0.3)
    assert (called["workers"], called["segment"], called["track"]) == (4, 60.0, True)
    assert (called["threads"], called["imgsz"]) == (None, None)
    assert "split" not in called
    assert capsys.readouterr().out == (
        "5 parts, 1,500 frames (150.0 fps), 3,000 poses -> s3://bucket/out; 2 videos and images "
        "were done before\n"
    )


def test_a_failure_is_an_exit_code(
    called: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("good.mp4", "bad.mp4", "--out", tmp_path) == 1
    assert "1 failures: see failed.parquet" in capsys.readouterr().err
