"""Untrusted sources, decoded in a process of their own, so that a crash ends only that process.

The other process may use so much memory, take so long for a frame, and write no file. Frames come
back over a pipe, each as a line of JSON and its pixels: nothing in them is ever executed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Gap, Image, Kind
from rcnet_rt.video.address import Address

__all__ = ["MEMORY", "SECONDS", "SIZES", "SandboxedSource", "Untrusted"]

MEMORY = 4 * 2**30  # bytes of address space
SECONDS = 30  # for one frame; a silent network gives up earlier
MAX_TEXT, MAX_IMAGE = 2**16, 2**30  # bytes
SIZES = struct.Struct("<II")  # of what follows: text, pixels
# The very modules that this process would import, and no others that lie in the working folder.
PROGRAM = "import sys; sys.path[:] = {!r}; from rcnet_rt.video.sandbox_process import main; main()"
# Every thread's own heap would reserve a part of the memory allowed.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}

# A stream's address, a video's path, or those of images.
Untrusted = Address | Path | tuple[Path, ...]


class SandboxedSource:
    """The frames of another source, which is opened and decoded elsewhere.

    Raises:
        SourceError: it cannot be opened, or its decoder crashed, ran out of memory or of time.
    """

    def __init__(self, part: Untrusted) -> None:
        self._label = part.name if isinstance(part, Address) else _first(part)
        self._stopped = self._read_already = False
        self._count = 0
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-c", PROGRAM.format(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,  # Ctrl-C is for us
        )
        assert self._process.stdin is not None
        assert isinstance(self._process.stdout, io.BufferedReader)
        self._in, self._out = self._process.stdin, self._process.stdout
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended: reading reports that
                # Not as an argument: those are for all to see, and an address may hold a password.
                self._in.write(json.dumps(_described(part)).encode() + b"\n")
                self._in.flush()
            with self._understood():
                opened, _ = self._receive()
                self.name, self.kind = str(opened["name"]), _kind(opened["kind"])
                self.size = (int(opened["size"][0]), int(opened["size"][1]))
                self.frame_rate = _fraction(opened["frame_rate"])
                self.time_base = _fraction(opened["time_base"])
                self.sample_aspect_ratio = _fraction(opened["sample_aspect_ratio"])
                count = opened["frame_count"]
                self.frame_count = None if count is None else int(count)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame | Gap]:
        if self._read_already:
            raise SourceError(f"{self._label} was read already; open it again")
        self._read_already = True
        return self._items()

    def stop(self) -> None:
        """End the other process; an iteration in another thread ends with it."""
        self._stopped = True
        self._process.kill()

    def close(self) -> None:
        """End the other process; closing twice does nothing."""
        self.stop()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._in.close()
        self._out.close()

    def __enter__(self) -> SandboxedSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _items(self) -> Iterator[Frame | Gap]:
        try:
            while (item := self._item()) is not None:
                self._count += isinstance(item, Frame)
                yield item
        except SourceError:
            if not self._stopped:
                raise

    def _item(self) -> Frame | Gap | None:
        with self._understood():
            text, image = self._receive()
            if "gap" in text:
                return Gap(float(text["gap"]), self._count - 1, str(text["reason"]))
            if image is None:
                return None
            time, arrived = _fraction(text["time"]), float(text["arrived"])
            return Frame(self._count, image, time=time, name=text["name"], arrived=arrived)

    def _receive(self) -> tuple[dict[str, Any], Image | None]:
        """Return the next message: its text, and its image if it is a frame."""
        text_size, image_size = SIZES.unpack(self._out.read(SIZES.size))
        if text_size > MAX_TEXT or image_size > MAX_IMAGE:
            raise ValueError("more than a frame can be")
        text: dict[str, Any] = json.loads(self._out.read(text_size))
        if "error" in text:
            raise SourceError(str(text["error"]))
        if not image_size:
            return text, None
        height, width = text["shape"][:2]
        if 3 * height * width != image_size:
            raise ValueError("shape and size do not agree")
        image = np.empty((height, width, 3), np.uint8)
        if self._out.readinto(image.data.cast("B")) != image_size:
            raise ValueError("half a frame")
        return text, image

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Raise a SourceError where the other process ended, or sent an invalid message."""
        try:
            yield
        except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._crashed() from error

    def _crashed(self) -> SourceError:
        self._process.kill()  # its messages cannot be trusted any more
        code = self._process.wait()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        reason = f"took over {SECONDS} s" if name == "SIGALRM" else f"crashed ({name})"
        return SourceError(
            f"{self._label}: the decoder {reason} after {self._count} frames; the source is "
            "damaged or made to do harm: have it converted, or leave it out"
        )


def _described(part: Untrusted) -> dict[str, Any]:
    if isinstance(part, Address):
        return {"url": part.url}
    if isinstance(part, Path):
        return {"video": str(part)}
    return {"images": [str(path) for path in part]}


def _first(part: Path | tuple[Path, ...]) -> str:
    return str(part if isinstance(part, Path) else part[0])


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _kind(text: str) -> Kind:
    return "images" if text == "images" else "video"
