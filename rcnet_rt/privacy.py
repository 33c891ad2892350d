"""What must not leave this machine: other libraries' reports, and credentials in messages.

Libraries that report to their makers are told not to, right before they are imported.
`RCNET_RT_TELEMETRY=1` leaves them as their makers set them; so does each library's own variable.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from typing import Any

__all__ = ["TELEMETRY_SWITCHES", "disable_telemetry", "mask_address", "mask_credentials"]

SWITCH = "RCNET_RT_TELEMETRY"
TELEMETRY_SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime 1.29 and later, read when it is imported
    "YOLO_OFFLINE": "true",  # ultralytics: no look-up at import, no events; downloads still work
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, under transformers
    "RAY_USAGE_STATS_ENABLED": "0",  # ray, read when a cluster is started
}


def disable_telemetry() -> None:
    """Turn reports off, unless the user set them otherwise.

    Call it before every import of onnxruntime, ultralytics, transformers or ray, or of what imports
    one of them. All switches are set at once: these libraries import each other.
    """
    if os.environ.get(SWITCH, "0") not in ("", "0"):
        return
    for name, value in TELEMETRY_SWITCHES.items():
        os.environ.setdefault(name, value)
    # OpenVINO has no switch. Its reporter is a package of its own, and OpenVINO works without it.
    # None makes its import fail (Python reference, the import system).
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)


def mask_credentials(text: str) -> str:
    """Return a text without the user names, passwords and queries of the addresses in it.

    >>> mask_credentials("no such file: 'rtsp:/me:secret@camera/1'; check the path")
    "no such file: 'rtsp:/camera/1'; check the path"
    """
    return re.sub(r"\S+", _masked_word, text)


def mask_address(text: str) -> str:
    """Return one address, which may hold blanks, without user name, password and query.

    What may be a part of a password is left out, down to the scheme where that cannot be told.

    >>> mask_address("rtsp://me:sec ret@camera:554/live?token=1")
    'rtsp://camera:554/live'
    >>> mask_address("rtsp://camera/user=me&password=secret")
    'rtsp://camera'
    """
    url = URL.search(text)
    if url is None:
        return mask_credentials(text)
    start, place = text[: url.end()], text[url.end() :]
    if "://" not in url[0] and not ("@" in place or SECRET.search(place)):
        return text
    bare = place.rstrip(PUNCTUATION)
    return start + _without_credentials(bare) + place[len(bare) :]


URL = re.compile(r"(?i)[a-z][a-z0-9+.-]+:/+")  # one letter would be a drive of Windows
NO_SCHEME = re.compile(r"(?!(?i:[a-z]):[\\/])[^\s/@:]+:[^\s@]+@")  # user:password@
SECRET = re.compile(
    r"(?i)((?<![a-z])(?:pass(?:word|wd|phrase|code)?|pwd|psw|token|secret|(?:api_?)?key|auth"
    r"|sig(?:nature)?|usr|user(?:name)?|login|account)(?:=|%3d)).+"
)
NOT_IN_PATHS = re.compile(r"(?i)[=&:@]|%(?:3[abdf]|26|40|23)")
PUNCTUATION = ";:,.)]}>'\"`»"
HIDDEN = "…"


def _masked_word(match: re.Match[str]) -> str:
    word = match[0]
    if URL.search(word):
        return mask_address(word)
    if NO_SCHEME.search(word):
        return f"{HIDDEN}@{_without_credentials(word)}"
    return SECRET.sub(rf"\1{HIDDEN}", word)


def _without_credentials(place: str) -> str:
    """Return host, port and path of what follows the scheme."""
    before, at, after = place.rpartition("@")
    head = re.split(r"[/?#]", place, maxsplit=1)[0]
    if at and "@" not in head and ":" not in head:
        return head  # the "@" is part of a path or query
    if at and (re.search(r"[?#;&=]", before) or re.fullmatch(r"[^:]*:\d+", head)):
        return HIDDEN  # it may stand behind a password that holds such signs, or in a query
    host, *path = re.split(r"[?#;]", after, maxsplit=1)[0].split("/")
    if re.search(r"[=&@\s]", host):
        return HIDDEN
    shown = itertools.takewhile(lambda part: not NOT_IN_PATHS.search(part), path)
    return "/".join([host, *shown])
