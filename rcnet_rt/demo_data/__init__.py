"""The demo's data: poses that YOLO-Pose gave, recorded by us.

POSES are those of the demo's clip. LABELED_POSES are those of 103 images of COCO train2017, each
with its matched OKS; the estimator was trained on these images, the `yolo-pose` weights were not.
`tools/record_demo_poses.py` and `tools/record_labeled_poses.py` made them.
"""

from pathlib import Path

__all__ = ["LABELED_POSES", "POSES"]

POSES = Path(__file__).parent / "poses.jsonl.gz"
LABELED_POSES = Path(__file__).parent / "labeled_poses.jsonl.gz"
