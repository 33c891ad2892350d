"""Records the poses that `rcnet-rt demo` replays: `python -m tools.record_demo_poses MODEL`.

MODEL was YOLOv8n-pose; coordinates are rounded to 2 decimals, scores to 4.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.demo_data import POSES
from rcnet_rt.workflows.demo.clip import write_clip
from rcnet_rt.workflows.video import process_video

__all__ = ["main", "record", "recorded", "write"]


def record(model: str, out: Path = POSES) -> None:
    """Run a model over the clip and write the poses that it gives.

    Raises:
        RcnetError: the model cannot be loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_clip(clip)
        lines = recorded(clip, model)
    lines[0]["source"] = "clip.mp4"
    write(lines, out)


def recorded(source: Path, model: str) -> list[dict[str, Any]]:
    """Return the lines of a recording of a source, their numbers rounded.

    Raises:
        RcnetError: the model cannot be loaded, or the source not be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "poses.jsonl"
        process_video(source, model=model, weights="none", json=raw).finish()
        lines = raw.read_text(encoding="utf-8").splitlines()
    return [_rounded(json.loads(line)) for line in lines]


def write(lines: list[dict[str, Any]], out: Path) -> None:
    """Write lines as JSON Lines.

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes(out, "".join(json.dumps(line) + "\n" for line in lines).encode())


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 4 if value <= 1 else 2)
    return value


@click.command()
@click.argument("model")
@click.option("--out", type=click.Path(path_type=Path), default=POSES, help="A .jsonl.gz file.")
def main(model: str, out: Path) -> None:
    """Record the demo's poses with MODEL, as `rcnet-rt run --model` takes it."""
    record(model, out)


if __name__ == "__main__":
    main()
