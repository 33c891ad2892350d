"""A real HTTP server on loopback that streams a small clip, and misbehaves on demand."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import av
import numpy as np

__all__ = ["Visit", "clip", "serving", "stream"]

RATE, PACKETS = 25, 3 * 188
Visit = Callable[[Callable[[bytes], None], threading.Event], None]


def clip(frames: int, container: str = "mpegts") -> bytes:
    """Return a video of 96 x 64 pixels whose n-th frame has brightness 20 + 4 (n mod 50)."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        codec, pixels = ("mjpeg", "yuvj420p") if container == "mpjpeg" else ("libx264", "yuv420p")
        stream: Any = output.add_stream(codec, rate=RATE)
        if codec == "libx264":
            stream.options = {"tune": "zerolatency", "g": "5"}
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
        for index in range(frames):
            image = np.full((64, 96, 3), 20 + 4 * (index % 50), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def stream(data: bytes, *, seconds: float = 0.0, stall: bool = False) -> Visit:
    """Return a visit that sends the data over that time, then hangs up or says no more."""

    def visit(send: Callable[[bytes], None], over: threading.Event) -> None:
        parts = [data[i : i + PACKETS] for i in range(0, len(data), PACKETS)]
        for part in parts:
            send(part)
            time.sleep(seconds / len(parts))
        if stall:
            over.wait()

    return visit


@contextmanager
def serving(
    visits: Sequence[Visit | None], content: str = "video/mp2t", *, login: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """Yield a URL, and the authorisations sent so far; the n-th request gets the n-th visit.

    None refuses with an error 503, and so does everything after the last. With a login, requests
    without an authorisation are refused and do not count.
    """
    seen: list[str] = []
    over = threading.Event()
    left = iter(visits)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            if login and not seen[-1]:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="here"')
                self.end_headers()
                return
            visit = next(left, None)
            if visit is None:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", content)
            self.send_header("Connection", "close")
            self.end_headers()
            with suppress(OSError):  # the client has gone
                visit(self._send, over)

        def _send(self, data: bytes) -> None:
            self.wfile.write(data)
            self.wfile.flush()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/live.ts", seen
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
