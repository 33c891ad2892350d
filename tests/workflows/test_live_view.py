"""A run with a live view: the server lives as long as the run, and steers it."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rcnet_rt import OutputError, Poses, process_video
from rcnet_rt.datasets.jsonl import read_lines, read_objects
from rcnet_rt.workflows.progress import Progress
from tests.helpers.clips import write_clip

FRAMES = 40
OPTIONS: dict[str, Any] = {"model": "replay:poses.jsonl", "weights": "none", "threshold": 0.2}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_poses: Poses) -> Path:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path, random_poses, FRAMES)
    return tmp_path


class Urls:
    """Finds the address of the live view among the progress messages."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __call__(self, step: Progress) -> None:
        if step.message.startswith("live view: "):
            self.found.append(step.message.removeprefix("live view: "))

    def ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        (url,) = self.found
        with urllib.request.urlopen(url.replace("/?", f"/{path}?"), body, timeout=10) as answer:
            return dict(json.load(answer))


def test_a_threshold_that_is_moved_holds_from_the_next_frame_on() -> None:
    urls = Urls()
    run = process_video("clip.mp4", serve=0, json="a.jsonl", progress=urls, **OPTIONS)
    first = next(run)
    assert first.threshold == 0.2
    state = urls.ask("state.json")
    assert (state["source"], state["threshold"], state["weights"]) == ("clip.mp4", 0.2, "none")
    assert urls.ask("threshold", b'{"threshold": 0.6}') == {"threshold": 0.6}
    results = [first, *run]
    moved = next(index for index, result in enumerate(results) if result.threshold == 0.6)
    assert 1 <= moved <= 12, "those on their way have the old threshold"
    for index, result in enumerate(results):
        assert result.threshold == (0.2 if index < moved else 0.6)
        assert result.kept.tolist() == [score >= result.threshold for score in result.poses.scores]
    lines = read_objects(Path("a.jsonl"))
    assert lines[0]["threshold"] == 0.2
    event = {"event": "threshold", "time": moved / 10, "after": moved - 1, "threshold": 0.6}
    assert lines[1 + moved] == event
    assert sum("event" in line for line in lines) == 1
    assert len(list(read_lines(Path("a.jsonl")))) == FRAMES
    assert run.summary.notes == ("the threshold was moved from 0.2 to 0.6 in the end",)


def test_with_tracks(random_poses: Poses) -> None:
    pytest.importorskip("trackers")
    urls = Urls()
    run = process_video("clip.mp4", serve=0, track=True, progress=urls, **OPTIONS)
    first = [next(run) for _ in range(5)][-1]
    assert first.kept.any()
    urls.ask("threshold", b'{"threshold": 1.0}')
    last = list(run)[-1]
    assert last.threshold == 1.0
    assert last.poses.track_ids is not None
    assert not last.kept.any()


def test_the_server_ends_with_the_run() -> None:
    urls = Urls()
    run = process_video("clip.mp4", serve="127.0.0.1:0", progress=urls, **OPTIONS)
    next(run)
    assert urls.ask("state.json")["may_move_threshold"]
    run.close()
    with pytest.raises(urllib.error.URLError):
        urls.ask("state.json")
    assert not any("rcnet-rt" in thread.name for thread in threading.enumerate())


def test_images_of_a_run(random_poses: Poses) -> None:
    urls = Urls()
    run = process_video("clip.mp4", serve=0, progress=urls, **OPTIONS)
    next(run)
    (url,) = urls.found
    with urllib.request.urlopen(url.replace("/?", "/stream.mjpg?"), timeout=10) as images:
        assert images.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        assert b"image/jpeg" in images.readline() + images.readline()
        run.finish()
        assert images.read().count(b"image/jpeg") < FRAMES, "it ends, and skips frames"


def test_a_port_in_use_fails_before_anything_is_written(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rcnet_rt.workflows.video.load_models", loaded)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = process_video("clip.mp4", serve=port, json="a.jsonl", out="auto", **OPTIONS)
        with pytest.raises(OutputError, match=f"port {port} .*choose another port"):
            next(run)
    assert {path.name for path in place.iterdir()} == {"clip.mp4", "poses.jsonl"}


def loaded(*_: object) -> None:
    raise AssertionError("no model is loaded")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"serve": "host"}, r"\[HOST:\]PORT"), ({"serve": 0, "serve_token": "short"}, "at least 16")],
)
def test_what_cannot_be_served(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OutputError, match=message):
        next(process_video("clip.mp4", **options, **OPTIONS))


def test_without_viewers_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    remember: Callable[..., None] = lambda *_: drawn.append(1)  # noqa: E731
    monkeypatch.setattr("rcnet_rt.workflows.video_stages.overlay.compare", remember)
    process_video("clip.mp4", serve=0, **OPTIONS).finish()
    assert not drawn
