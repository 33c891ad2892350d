"""What viewers of the live view cost: `python -m benchmarks.speed.viewers VIDEO --model MODEL`.

The same video again and again: without the live view, with it and nobody there, and with viewers in
processes of their own, of which one asks for images and never reads. On few cores the viewers that
read take time from the run, as anything else on the machine would; so they are left out once.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import statistics
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click

from benchmarks.common import Results, json_option, report
from rcnet_rt.workflows.progress import Progress
from rcnet_rt.workflows.video import process_video

__all__ = ["main", "measure"]

# Name of a case: how many viewers read, and how many never do; None is without a live view.
CASES: dict[str, tuple[int, int] | None] = {
    "no live view": None,
    "no viewer": (0, 0),
    "1 that never reads": (0, 1),
    "1 that reads": (1, 0),
    "5, of which 1 never reads": (4, 1),
}


def measure(video: str, model: str, repeats: int, workers: int | None = None) -> Results:
    """Return frames a second and CPU time a frame (ms) of each case, in rounds of all cases.

    Ratios are to the first case of the same round; CPU time is that of the run's own process, which
    other programs disturb less.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    process_video(video, model=model, workers=workers).finish()  # warm: compiled, in the cache
    for _ in range(repeats):
        for name, viewers in CASES.items():
            taken[name].append(_rates(video, model, viewers, workers))
    base = [fps for fps, _ in taken["no live view"]]
    rows = []
    for name, some in taken.items():
        ratios = [fps / plain for (fps, _), plain in zip(some, base, strict=True)]
        rows.append(
            {
                "case": name,
                "fps": round(statistics.median(fps for fps, _ in some), 1),
                "ratio": round(statistics.median(ratios), 3),
                "ratios": " ".join(f"{ratio:.2f}" for ratio in ratios),
                "cpu_ms": round(statistics.median(cpu for _, cpu in some), 2),
            }
        )
    return {"video": Path(video).name, "rounds": repeats, "all": rows}


def _rates(
    video: str, model: str, viewers: tuple[int, int] | None, workers: int | None
) -> tuple[float, float]:
    """Return the frames a second and the CPU time a frame (ms) of one run."""
    urls: list[str] = []

    def listen(step: Progress) -> None:
        if step.message.startswith("live view: "):
            urls.append(step.message.removeprefix("live view: "))

    serve = None if viewers is None else 0
    run = process_video(video, model=model, workers=workers, serve=serve, progress=listen)
    with run:
        next(run)
        with _watching(urls[0] if urls else "", *(viewers or (0, 0))):
            start, cpu = time.perf_counter(), time.process_time()
            count = sum(1 for _ in run)
            cpu = time.process_time() - cpu
            return count / (time.perf_counter() - start), 1000 * cpu / count


@contextmanager
def _watching(url: str, readers: int, idle: int) -> Iterator[None]:
    """Have viewers in processes of their own, from when all of them are there."""
    spawn = multiprocessing.get_context("spawn")
    targets = [_read] * readers + [_never_read] * idle
    processes = [spawn.Process(target=target, args=(url,), daemon=True) for target in targets]
    for process in processes:
        process.start()
    while processes and _viewers(url) < len(processes):
        time.sleep(0.05)
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _viewers(url: str) -> int:
    with urllib.request.urlopen(url.replace("/?", "/state.json?after=999999&"), timeout=10) as text:
        return int(json.load(text)["viewers"])


def _read(url: str) -> None:
    with urllib.request.urlopen(url.replace("/?", "/stream.mjpg?"), timeout=60) as images:
        while images.read(65536):
            pass


def _never_read(url: str) -> None:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(
            f"GET /stream.mjpg?{parts.query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        time.sleep(3600)


@click.command()
@click.argument("video")
@click.option("--model", required=True, help="As for rcnet-rt run; replay:FILE for a fast run.")
@click.option("--repeats", default=5, show_default=True, help="Rounds of all cases.")
@click.option("--workers", type=int, show_default="as the run", help="As for rcnet-rt run.")
@json_option
def main(video: str, model: str, repeats: int, workers: int | None, json_file: Path | None) -> None:
    """Measure what viewers of the live view cost."""
    figures = measure(video, model, repeats, workers)
    report("what viewers of the live view cost", figures, json_file)


if __name__ == "__main__":
    main()
