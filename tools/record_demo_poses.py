"""How `poses.jsonl.gz` was made: python -m tools.record_demo_poses MODEL.

MODEL was YOLOv8n-pose; coordinates are rounded to 2 decimals, scores to 4.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rcnet_rt.demo_data import POSES
from rcnet_rt.workflows.demo_clip import write_clip
from rcnet_rt.workflows.summary import RunSummary
from rcnet_rt.workflows.video import RunOptions, execute

__all__ = ["record"]


def record(model: str) -> None:
    """Run a model over the clip and keep what it says.

    Raises:
        RcnetError: the model cannot be loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip, raw = Path(folder) / "clip.mp4", Path(folder) / "poses.jsonl"
        write_clip(clip)
        options = RunOptions(str(clip), model=model, weights="none", no_video=True, json=raw)
        execute(options, RunSummary())
        lines = [json.loads(line) for line in raw.read_text(encoding="utf-8").splitlines()]
    lines[0]["source"] = "clip.mp4"
    text = "".join(json.dumps(_rounded(line)) + "\n" for line in lines)
    POSES.write_bytes(gzip.compress(text.encode(), mtime=0))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 4 if value <= 1 else 2)
    return value


if __name__ == "__main__":
    record(sys.argv[1])
