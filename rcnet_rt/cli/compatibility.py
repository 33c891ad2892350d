"""What is supported, and how far it was tested: one table for the documentation and for `doctor`.

Each row names the test that backs it; CI runs it, or skips it where the library is not installed.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

__all__ = ["BUILT", "FORMAT", "LIBRARY", "REAL", "SUPPORT", "UNTESTED", "Support", "markdown"]

REAL = "tested with real weights"
LIBRARY = "tested with the real library and random weights"
FORMAT = "format tested"
BUILT = "built by the real library, never run"
UNTESTED = "not tested yet"


@dataclass(frozen=True)
class Support:
    """One row.

    Attributes:
        name: of the estimator, the format or the tool.
        use: what to write.
        state: REAL, LIBRARY, FORMAT, BUILT or UNTESTED.
        test: file under tests/ that backs it, "" where nothing does.
        package: that must be importable, "" for none.
        install: what pip installs for it.
    """

    name: str
    use: str
    state: str
    test: str
    package: str = ""
    install: str = ""

    @property
    def installed(self) -> bool:
        """Whether it can be used as things stand."""
        return not self.package or importlib.util.find_spec(self.package) is not None


SUPPORT = (
    Support(
        "YOLO-Pose exported to OpenVINO",
        "--model FOLDER",
        REAL,
        "estimators/yolo/test_exported.py",
        "openvino",
        "rcnet-rt[openvino]",
    ),
    Support(
        "YOLO-Pose 8, 11, 26 exported to ONNX",
        "--model FILE.onnx",
        LIBRARY,
        "estimators/test_ultralytics.py",
        "onnxruntime",
        "onnxruntime",
    ),
    Support(
        "YOLO-Pose 8, 11, 26; .pt",
        "--model yolo-pose",
        LIBRARY,
        "estimators/test_ultralytics.py",
        "ultralytics",
        "ultralytics",
    ),
    Support("YOLO-Pose, .engine", "--model FILE", UNTESTED, "", "tensorrt", "rcnet-rt[tensorrt]"),
    Support(
        "RTMPose",
        "--model rtmpose",
        LIBRARY,
        "estimators/test_rtmlib.py",
        "rtmlib",
        "rcnet-rt[rtmlib]",
    ),
    Support(
        "RTMO",
        "--model rtmo",
        LIBRARY,
        "estimators/test_rtmlib.py",
        "rtmlib",
        "rcnet-rt[rtmlib]",
    ),
    Support(
        "ViTPose, with RT-DETR",
        "--model vitpose",
        LIBRARY,
        "estimators/test_transformers.py",
        "transformers",
        "rcnet-rt[transformers]",
    ),
    Support(
        "Keypoint R-CNN",
        "--model keypointrcnn",
        LIBRARY,
        "estimators/test_torchvision.py",
        "torchvision",
        "rcnet-rt[torchvision]",
    ),
    Support(
        "MoveNet Lightning",
        "--model movenet",
        REAL,
        "estimators/test_tflite.py",
        "ai_edge_litert",
        "rcnet-rt[litert]",
    ),
    Support(
        "MoveNet Thunder, MultiPose",
        "--model movenet:FILE.tflite",
        FORMAT,
        "estimators/test_decoders.py",
        "ai_edge_litert",
        "rcnet-rt[litert]",
    ),
    Support(
        "PoseNet",
        "--model posenet",
        REAL,
        "estimators/test_tflite.py",
        "ai_edge_litert",
        "rcnet-rt[litert]",
    ),
    Support(
        "YOLO-Pose, .tflite",
        "--model FILE.tflite",
        REAL,
        "estimators/test_tflite.py",
        "ai_edge_litert",
        "rcnet-rt[litert]",
    ),
    Support(
        "mmpose: HRNet, DEKR, HigherHRNet, CID, ED-Pose, …",
        "--model mmpose:CONFIG",
        FORMAT,
        "estimators/test_mmpose.py",
        "mmpose",
        "mmpose",
    ),
    Support("your own", "--model module:name", FORMAT, "estimators/test_imported.py"),
    Support("any file below, replayed", "--model replay:FILE", FORMAT, "estimators/test_load.py"),
    Support(
        "COCO results of YOLO-Pose, ultralytics, Lightweight OpenPose",
        "refine FILE",
        REAL,
        "datasets/test_results.py",
    ),
    Support(
        "COCO results of HRNet, mmpose, DEKR, HigherHRNet, SWAHR, PINet, CID, LOGO-CAP, ED-Pose, "
        "GroupPose, detectron2, OpenPifPaf; AlphaPose JSON; CrowdPose's 14 joints",
        "refine FILE",
        FORMAT,
        "datasets/test_formats.py",
    ),
    Support("OpenPose folder", "refine FOLDER", FORMAT, "datasets/test_openpose.py"),
    Support("our JSON Lines", "refine FILE", FORMAT, "datasets/test_recording.py"),
    Support(
        "Parquet, one row a pose: DuckDB, pandas, polars",
        "predict SOURCES, convert",
        FORMAT,
        "datasets/test_parquet.py",
        "pyarrow",
        "rcnet-rt[parquet]",
    ),
    Support(
        "ultralytics: predict, track, val",
        "attach(model)",
        REAL,
        "integrations/test_ultralytics.py",
        "ultralytics",
        "ultralytics",
    ),
    Support(
        "supervision: KeyPoints",
        "integrations.supervision.refine",
        REAL,
        "test_examples.py",
        "supervision",
        "supervision",
    ),
    Support("mmpose's CocoMetric", "examples/mmpose_coco_metric.py", FORMAT, "test_examples.py"),
    Support("FiftyOne", "examples/fiftyone_export.py", FORMAT, "test_examples.py"),
    Support(
        "TensorRT for RTX: the step as an engine",
        "export --format tensorrt-rtx",
        BUILT,
        "backends/tensorrt/test_onnx_engine.py",
        "tensorrt_rtx",
        "rcnet-rt[tensorrt-rtx]",
    ),
    Support(
        "TensorRT by torch-tensorrt",
        "export --format tensorrt",
        UNTESTED,
        "",
        "torch_tensorrt",
        "rcnet-rt[tensorrt]",
    ),
    Support("ROS 2", "examples/ros2", FORMAT, "test_examples.py"),
)


def markdown() -> str:
    """Return the table as docs/reference/supported.md has it."""
    rows = ["| what | use | extra | state |", "| --- | --- | --- | --- |"]
    for row in SUPPORT:
        extra = f"`{row.install}`" if "[" in row.install or row.package == "mmpose" else ""
        rows.append(f"| {row.name} | `{row.use}` | {extra} | {row.state} |")
    return "\n".join(rows)
