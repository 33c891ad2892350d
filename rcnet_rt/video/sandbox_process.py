"""The other process of `video.sandbox`: it decodes under limits and sends frames back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rcnet_rt.errors import RcnetError
from rcnet_rt.poses.frame import Gap, Image
from rcnet_rt.video.address import parse_address
from rcnet_rt.video.sandbox import MEMORY, SECONDS, SIZES, Untrusted
from rcnet_rt.video.source import open_here

__all__ = ["main"]


def main() -> None:
    """Decode, in the other process: read what from stdin, write messages to stdout."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever else prints
    described = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _limit()
        _serve(described, out)
    except RcnetError as error:
        _send(out, {"error": str(error)})
    except MemoryError:
        _send(out, {"error": f"the source needs more than the {MEMORY >> 30} GiB of memory that "
                             "decoding may take; convert it to a smaller size"})  # fmt: skip
    out.close()
    os._exit(0)  # a decoder's threads may hang


def _serve(described: dict[str, Any], out: BinaryIO) -> None:
    with _time_limit():
        source = open_here(_part(described))
    rate, unit = source.frame_rate, source.time_base
    opened = {"name": source.name, "kind": source.kind, "size": source.size}
    counts = {"frame_rate": rate, "time_base": unit, "frame_count": source.frame_count}
    ratio = {"sample_aspect_ratio": source.sample_aspect_ratio}
    _send(out, opened | counts | ratio)
    frames = iter(source)
    while True:
        with _time_limit():
            frame = next(frames, None)
        if frame is None:
            return _send(out, {"end": True})
        if isinstance(frame, Gap):
            _send(out, {"gap": frame.time, "reason": frame.reason})
            continue
        text = {"time": frame.time, "name": frame.name, "arrived": frame.arrived}
        _send(out, text | {"shape": frame.image_bgr.shape}, frame.image_bgr)


def _send(out: BinaryIO, text: dict[str, Any], image: Image | None = None) -> None:
    data = json.dumps(text, default=str).encode()
    pixels = memoryview(b"" if image is None else np.ascontiguousarray(image).data.cast("B"))
    for part in (memoryview(SIZES.pack(len(data), len(pixels)) + data), pixels):
        while part:
            part = part[out.write(part) :]  # a pipe takes what it has room for


def _limit() -> None:
    """Give up what decoding does not need; where the system knows no limits there are none."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        limits = {"RLIMIT_AS": MEMORY, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Let the system end this process where the block takes too long, whatever it hangs in."""
    alarm = getattr(signal, "alarm", lambda seconds: None)
    alarm(SECONDS)
    yield
    alarm(0)


def _die_with_parent() -> None:
    sys.stdin.buffer.read()  # until the other end is closed
    os._exit(1)


def _part(described: dict[str, Any]) -> Untrusted:
    if "url" in described:
        return parse_address(described["url"])
    if "video" in described:
        return Path(described["video"])
    return tuple(map(Path, described["images"]))
