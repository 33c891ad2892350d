"""Decoding in another process: the same frames, and a crash there is a sentence here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from rcnet_rt.cli import main
from rcnet_rt.errors import SourceError
from rcnet_rt.video import sandbox
from rcnet_rt.video.sandbox import SandboxedSource
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.video.source import open_here, open_sandboxed, open_source, split
from tests.helpers.stream_server import clip, serving, stream

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and limits differ")

FRAMES = 12
# The other process with something changed in it.
CHANGED = (
    "import os, sys, time; sys.path[:] = {{!r}}; from rcnet_rt.video import sandbox_process; {}; "
    "sandbox_process.main()"
)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video whose frames are larger than a pipe's buffer."""
    path = tmp_path / "clip.mp4"
    with VideoSink(path, (640, 480), Fraction(10), Fraction(1, 10)) as sink:
        for index in range(FRAMES):
            sink.write(np.full((480, 640, 3), 20 * index, np.uint8), Fraction(index, 10))
    return path


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, ...]:
    paths = (tmp_path / "a.png", tmp_path / "b.png")
    for path, size in zip(paths, ((4, 6, 3), (7, 5, 3)), strict=True):
        cv2.imwrite(str(path), np.full(size, 99, np.uint8))
    return paths


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("kind", ["video", "images"])
def test_the_frames_are_the_same(kind: str, request: pytest.FixtureRequest) -> None:
    part = request.getfixturevalue(kind)
    with open_here(part) as here, open_sandboxed(part) as there:
        for name in ("name", "kind", "size", "frame_rate", "frame_count", "time_base"):
            assert getattr(here, name) == getattr(there, name), name
        for one, other in zip(here, there, strict=True):
            assert (one.index, one.time, one.name) == (other.index, other.time, other.name)
            np.testing.assert_array_equal(one.image_bgr, other.image_bgr)
        with pytest.raises(SourceError, match="was read already"):
            iter(there)


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_the_sentences_are_the_same(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    said = []
    for opener in (open_here, open_sandboxed):
        with pytest.raises(SourceError) as caught:
            opener(path)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_crash_in_mid_stream(video: Path) -> None:
    with SandboxedSource(video) as source:
        frames = iter(source)
        next(frames)
        os.kill(source._process.pid, signal.SIGSEGV)
        with pytest.raises(SourceError, match=r"decoder crashed \(SIGSEGV\) after \d+ frames"):
            list(frames)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os; os.abort()", r"crashed \(SIGABRT\) after 0 frames"),
        ("raise SystemExit(3)", r"crashed \(exit code 3\)"),
        ("import os; os.write(1, bytes([255]) * 9)", "crashed"),
        ("import os; os.write(1, bytes([2, 0, 0, 0, 0, 0, 0, 0]) + b'[]')", "crashed"),
        (CHANGED.format("sandbox_process.SECONDS = 1; "
                        "sandbox_process.open_here = lambda part: time.sleep(60)"),
         "took over 30 s"),
        (CHANGED.format("sandbox_process.open_here = lambda part: bytearray(2**33)"),
         "more than the 4 GiB of memory"),
        (CHANGED.format("sandbox_process.open_here = lambda part: open('written', 'w').write('x')"),
         "crashed"),
    ],
)  # fmt: skip
def test_a_process_that_fails(
    video: Path, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    monkeypatch.chdir(video.parent)
    monkeypatch.setattr(sandbox, "PROGRAM", program)
    with pytest.raises(SourceError, match=message):
        SandboxedSource(video)
    written = video.parent / "written"
    assert not written.exists() or written.stat().st_size == 0


def test_stopping_ends_who_waits_for_a_frame() -> None:
    with serving([stream(clip(200), stall=True)]) as (url, _), open_source(url) as source:
        frames = iter(source)
        waiting = threading.Thread(target=list, args=(frames,))
        waiting.start()
        source.stop()
        waiting.join(60)
        assert not waiting.is_alive()
        assert isinstance(source, SandboxedSource)
        pid = source._process.pid
    assert not is_running(pid)


def test_nobody_is_left_when_the_program_is_killed(video: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path\n"
        "from rcnet_rt.video.sandbox import SandboxedSource\n"
        "source = SandboxedSource(Path(sys.argv[1]))\n"
        "print(source._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", code, str(video)]
    killed = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert killed.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while is_running(int(killed.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_credentials_are_sent_and_never_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with serving([stream(clip(5)), None], login=True) as (url, seen):
        secret = url.replace("http://", "http://me:hush@") + "?key=hush"
        with open_source(secret) as source:
            assert isinstance(source, SandboxedSource)
            arguments = Path(f"/proc/{source._process.pid}/cmdline")
            shown = arguments.read_text() if arguments.exists() else ""
            assert len(list(source)) == 5
        with pytest.raises(SourceError) as caught:
            open_source(secret)
    assert any(seen)
    for text in (shown, str(caught.value), repr(source), repr(split(secret)), *capfd.readouterr()):
        assert "hush" not in text


@pytest.mark.parametrize("target", ["file://{}", "{}", "concat:{}", "subfile:,,start,0,end,0,,:{}"])
def test_a_playlist_leads_to_no_file(video: Path, target: str) -> None:
    where = target.format(video)
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{where}\n#EXT-X-ENDLIST\n"
    with (
        serving([stream(text.encode())] * 3, "application/vnd.apple.mpegurl") as (url, _),
        pytest.raises(SourceError),
    ):
        open_source(url.replace("live.ts", "live.m3u8"))


def test_run_says_the_same_with_a_sandbox(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(video.parent)
    Path("nobody.json").write_text("[]")
    common = ("clip.mp4", "--model", "replay:nobody.json", "--weights", "none", "--no-video")
    for name, more in (("here", ()), ("there", ("--sandbox",))):
        with pytest.raises(SystemExit) as stopped:
            main([*common, "--json", f"{name}.jsonl", *more])
        assert stopped.value.code == 0
    assert Path("here.jsonl").read_text() == Path("there.jsonl").read_text()
