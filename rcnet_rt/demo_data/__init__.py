"""The demo's clip, and the poses that YOLO-Pose gave for it, recorded by us."""

from pathlib import Path

__all__ = ["POSES"]

POSES = Path(__file__).parent / "poses.jsonl.gz"
