"""Libraries that report to their makers are told not to, before they are imported.

RCNET_RT_TELEMETRY=1 leaves them as their makers set them; so does each one's own variable for it.
"""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["TELEMETRY_SWITCHES", "disable_telemetry"]

SWITCH = "RCNET_RT_TELEMETRY"
TELEMETRY_SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime 1.29 and later, read when it is imported
    "YOLO_OFFLINE": "true",  # ultralytics: no look-up at import, no events; downloads still work
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, under transformers
}


def disable_telemetry() -> None:
    """Set what switches reports off, unless the user set it otherwise."""
    if os.environ.get(SWITCH, "0") not in ("", "0"):
        return
    for name, value in TELEMETRY_SWITCHES.items():
        os.environ.setdefault(name, value)
    # OpenVINO has no switch. Its reporter is a package of its own, and where that is not to be
    # found it does without. None says "not to be found" (Python reference, the import system).
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
