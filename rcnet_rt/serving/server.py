"""The HTTP server of a live view, on the standard library's.

Every request has a thread, of which there are at most MAX_CONNECTIONS; no read or write takes
longer than TIMEOUT. What a thread holds is one JPEG that all share, and the socket's buffer.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rcnet_rt.errors import OutputError, PosesError
from rcnet_rt.serving.access import Access
from rcnet_rt.serving.live_view import LiveView
from rcnet_rt.serving.metrics import CONTENT_TYPE, metrics

__all__ = ["LiveServer", "listen"]

MAX_CONNECTIONS = 64
TIMEOUT = 10.0  # seconds that a client may take to send its request, or to take one answer
RESEND = 5.0  # seconds after which a viewer gets the same image again, which finds dead ones
SEND_BUFFER = 256 * 1024  # bytes: what waits in it is late
MAX_BODY = 1024  # bytes
BOUNDARY = "rcnet-rt-image"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address has the token
    "X-Content-Type-Options": "nosniff",
}


class LiveServer(ThreadingHTTPServer):
    """Listens from the start, and answers while a view is served.

    Args:
        access: where to listen, and who may do what.

    Attributes:
        viewers: of the images, at present.

    Raises:
        OSError: it cannot listen there.
    """

    daemon_threads = True
    block_on_close = False  # they end with their sockets
    request_queue_size = 16
    allow_reuse_address = os.name != "nt"  # Windows would let two servers have one port

    def __init__(self, access: Access) -> None:
        address = access.address
        self.access = access
        self.view: LiveView | None = None
        self.viewers = 0
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        super().__init__((address.host, address.port), _Handler)

    @property
    def url(self) -> str:
        """The address of the page, with the token if it was generated."""
        url = self.access.address.url(self.server_address[1])
        return f"{url}?token={self.access.token}" if self.access.generated else url

    @contextmanager
    def serving(self, view: LiveView) -> Iterator[None]:
        """Answer requests until the block ends; then every connection is closed."""
        self.view = view
        thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="rcnet-rt server")
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            view.close()
            with self._lock:
                for connection in self._connections:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count a viewer."""
        with self._lock:
            self.viewers += 1
        try:
            yield
        finally:
            with self._lock:
                self.viewers -= 1

    def server_bind(self) -> None:
        """Bind, without asking the network for the machine's name as `HTTPServer` does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, or hang up where there are too many."""
        with self._lock:
            if has_room := len(self._connections) < MAX_CONNECTIONS:
                self._connections.add(request)
        if has_room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that fails is no matter of the run."""


@contextmanager
def listen(access: Access) -> Iterator[LiveServer]:
    """Yield a server that has its port; it is closed when the block ends.

    Raises:
        OutputError: the port is in use, or the host is none of this machine's.
    """
    address = access.address
    try:
        server = LiveServer(access)
    except OSError as error:
        raise OutputError(
            f"the live view cannot listen on {address.host}, port {address.port} "
            f"({error.strerror or error}); choose another port, 0 for any free one, or another host"
        ) from error
    with server:
        yield server


class _Handler(BaseHTTPRequestHandler):
    """Answers one request, over a connection of its own."""

    server: LiveServer
    server_version, sys_version = "rcnet-rt", ""
    timeout = TIMEOUT

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().setup()

    def do_GET(self) -> None:
        path, access = urlsplit(self.path).path, self.server.access
        view = self.server.view
        assert view is not None
        if not access.allows_host(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.FORBIDDEN, "this address is served under its own name only")
        elif path == "/healthz":  # says nothing that is secret, and probes have no token
            healthy = view.is_healthy
            status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, "text/plain", b"ok\n" if healthy else b"stalled\n")
        elif not access.may_view(self._token()):
            self._refuse(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
        elif path == "/":
            page = files("rcnet_rt.serving").joinpath("page.html").read_bytes()
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", page)
        elif path == "/state.json":
            state = {**view.state(self._after()), "viewers": self.server.viewers}
            state["may_move_threshold"] = access.has_token(self._token())
            self._send_json(state)
        elif path == "/metrics":
            text = metrics(view, self.server.viewers)
            self._send(HTTPStatus.OK, CONTENT_TYPE, text.encode())
        elif path == "/stream.mjpg":
            self._stream(view)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        access, view = self.server.access, self.server.view
        assert view is not None
        origin = self.headers.get("Origin")
        host = self.headers.get("Host", "")
        if not access.allows_host(host) or (origin and urlsplit(origin).netloc != host):
            self._refuse(HTTPStatus.FORBIDDEN, "the request comes from another site")
        elif not access.has_token(self._token()):
            self._refuse(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
        elif urlsplit(self.path).path != "/threshold":
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
        else:
            try:
                view.threshold.move(self._number_in_body())
            except (ValueError, PosesError) as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            else:
                self._send_json({"threshold": float(view.threshold)})

    def _stream(self, view: LiveView) -> None:
        """Send image after image, always the newest, until either side has enough."""
        self._begin(HTTPStatus.OK, f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        number = 0
        with self.server.watched(), suppress(OSError, EOFError):
            self.wfile.write(f"--{BOUNDARY}\r\n".encode())
            while True:
                number, jpeg = view.images.after(number, RESEND)
                if not jpeg:
                    continue
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                # The boundary follows at once, for browsers show an image when they meet it.
                self.wfile.write(head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode())

    def _token(self) -> str:
        """Return the token of the request, "" without one."""
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return given.strip()
        return self._query("token")

    def _after(self) -> int:
        text = self._query("after")
        return int(text) if text.isdecimal() and len(text) < 16 else 0

    def _query(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]

    def _number_in_body(self) -> float:
        """Return x of the body {"threshold": x}.

        Raises:
            ValueError: it is something else.
        """
        size = self.headers.get("Content-Length", "")
        body = self.rfile.read(int(size)) if size.isdecimal() and int(size) <= MAX_BODY else b""
        expected = 'expected the body {"threshold": NUMBER}, as JSON'
        try:
            value = json.loads(body)["threshold"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ValueError(expected) from None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(expected)
        return value

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{reason}\n".encode())

    def _send_json(self, value: Any) -> None:
        self._send(HTTPStatus.OK, "application/json", json.dumps(value, allow_nan=False).encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self._begin(status, content_type, {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def _begin(
        self, status: HTTPStatus, content_type: str, further: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        headers = {"Content-Type": content_type, "Connection": "close", **HEADERS}
        for name, value in {**headers, **(further or {})}.items():
            self.send_header(name, value)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Bearer realm="rcnet-rt"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing: the address of a request has the token."""
