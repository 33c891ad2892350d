"""Libraries that report to their makers are told not to, right before they are imported.

`RCNET_RT_TELEMETRY=1` leaves them as their makers set them; so does each library's own variable.
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
    """Turn reports off, unless the user set them otherwise.

    Call it before every import of onnxruntime, ultralytics or transformers, or of what imports one
    of them. All switches are set at once: these libraries import each other.
    """
    if os.environ.get(SWITCH, "0") not in ("", "0"):
        return
    for name, value in TELEMETRY_SWITCHES.items():
        os.environ.setdefault(name, value)
    # OpenVINO has no switch. Its reporter is a package of its own, and OpenVINO works without it.
    # None makes its import fail (Python reference, the import system).
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
