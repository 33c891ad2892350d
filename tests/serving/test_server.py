"""Over real sockets on this machine."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.resources import files

import cv2
import numpy as np
import pytest

from rcnet_rt import OutputError
from rcnet_rt.serving import jpeg_stream, server
from rcnet_rt.serving.access import Access, Address
from rcnet_rt.serving.live_view import LiveView
from rcnet_rt.serving.server import LiveServer, listen
from rcnet_rt.video.pipeline import Result

TOKEN = "0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
Nth = Callable[[int], Result]


@pytest.fixture
def here(view: LiveView) -> Iterator[LiveServer]:
    with listen(Access.create(Address("127.0.0.1", 0), TOKEN)) as live, live.serving(view):
        yield live


@pytest.fixture
def beyond(view: LiveView) -> Iterator[LiveServer]:
    with listen(Access.create(Address("0.0.0.0", 0), TOKEN)) as live, live.serving(view):
        yield live


def ask(
    live: LiveServer,
    path: str,
    headers: dict[str, str] | None = None,
    method: str = "GET",
    body: str | None = None,
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", live.server_address[1], timeout=10)
    with closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


def move(live: LiveServer, body: object, headers: dict[str, str]) -> int:
    text = body if isinstance(body, str) else json.dumps(body)
    return ask(live, "/threshold", headers, "POST", text)[0]


def watch(live: LiveServer) -> socket.socket:
    """Ask for the images, and read nothing."""
    viewer = socket.create_connection(("127.0.0.1", live.server_address[1]), timeout=10)
    viewer.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return viewer


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_page_state_health_and_metrics(here: LiveServer, view: LiveView, result: Nth) -> None:
    view.write(result(0))
    status, page, headers = ask(here, "/")
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert page == files("rcnet_rt.serving").joinpath("page.html").read_bytes()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    status, text, headers = ask(here, "/state.json")
    assert (status, headers.get_content_type()) == (200, "application/json")
    state = json.loads(text)
    assert (len(state["samples"]), state["viewers"]) == (1, 0)
    assert not state["may_move_threshold"]
    assert json.loads(ask(here, "/state.json", BEARER)[1])["may_move_threshold"]
    assert json.loads(ask(here, "/state.json?after=1")[1])["samples"] == []
    assert len(json.loads(ask(here, "/state.json?after=x")[1])["samples"]) == 1
    assert ask(here, "/healthz")[:2] == (200, b"ok\n")
    status, text, headers = ask(here, "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"\nrcnet_rt_poses_total 5\n" in text
    assert ask(here, "/other")[0] == 404
    assert ask(here, "/", method="DELETE")[0] == 501
    assert view.images.encoded == 0


def test_a_stalled_run_is_not_healthy(here: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcnet_rt.serving.live_view.STALLED", -1.0)
    assert ask(here, "/healthz")[:2] == (503, b"stalled\n")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = files("rcnet_rt.serving").joinpath("page.html").read_text(encoding="utf-8")
    elsewhere = r"""//[a-z0-9-]+\.[a-z]|@import|src="|<link(?![^>]*data:,)"""
    assert not re.findall(elsewhere, page)
    assert "innerHTML" not in page, "names of files are text"


def test_images(here: LiveServer, view: LiveView, result: Nth) -> None:
    with closing(watch(here)) as viewer, viewer.makefile("rb") as answer:
        until(lambda: here.viewers == 1)
        for index in (3, 4):
            view.write(result(index))
            while not (line := answer.readline()).startswith(b"Content-Length"):
                assert line
            size = int(line.split()[1])
            assert answer.readline() == b"\r\n"
            jpeg = np.frombuffer(answer.read(size), np.uint8)
            image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
            difference = image.astype(int) - result(index).frame.image_bgr
            assert np.abs(difference).mean() < 60, "of noise: another frame would differ by 75"
            assert answer.readline() == b"\r\n"
            assert answer.readline().startswith(b"--rcnet-rt-image")
    assert view.images.encoded == 2


class TestThreshold:
    def test_with_the_token(self, here: LiveServer, view: LiveView) -> None:
        assert move(here, {"threshold": 0.75}, BEARER) == 200
        assert float(view.threshold) == 0.75
        port = here.server_address[1]
        ours = {"Origin": f"http://127.0.0.1:{port}", **BEARER}
        assert move(here, {"threshold": 0}, ours) == 200
        assert float(view.threshold) == 0
        assert ask(here, f"/threshold?token={TOKEN}", {}, "POST", '{"threshold": 1}')[0] == 200
        assert float(view.threshold) == 1

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 401),
            ({"Authorization": "Bearer 0123456789abcdeF"}, 401),
            ({"Authorization": f"Basic {TOKEN}"}, 401),
            ({"Origin": "http://evil.org", **BEARER}, 403),
            ({"Origin": "null", **BEARER}, 403),
            ({"Host": "evil.org", **BEARER}, 403),
            ({"Host": "evil.org", "Origin": "http://evil.org", **BEARER}, 403),
        ],
    )
    def test_without(
        self, here: LiveServer, view: LiveView, headers: dict[str, str], status: int
    ) -> None:
        assert move(here, {"threshold": 0.75}, headers) == status
        assert ask(here, "/threshold", BEARER)[0] == 404, "nor by GET"
        assert float(view.threshold) == 0.5

    @pytest.mark.parametrize(
        "body",
        [
            *("", "{", "[]", "0.4", {"threshold": "0.4"}, {"threshold": True}, {"other": 1}),
            *({"threshold": 1.01}, {"threshold": None}, '{"threshold": NaN}', "[" * 1000),
            '{"threshold": 0.4}' + " " * server.MAX_BODY,
        ],
    )
    def test_bodies_that_are_none(self, here: LiveServer, view: LiveView, body: object) -> None:
        assert move(here, body, BEARER) == 400
        assert float(view.threshold) == 0.5


def test_beyond_this_machine_a_token_is_needed_for_everything(beyond: LiveServer) -> None:
    for path in ("/", "/state.json", "/metrics", "/stream.mjpg", "/other"):
        status, _, headers = ask(beyond, path)
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="rcnet-rt"')
        assert ask(beyond, f"{path}?token={TOKEN[:-1]}")[0] == 401
    assert ask(beyond, f"/?token={TOKEN}", {"Host": "robot.local"})[0] == 200
    assert ask(beyond, "/metrics", BEARER)[0] == 200
    assert ask(beyond, "/healthz")[0] == 200
    assert ask(beyond, "/threshold", {}, "POST", '{"threshold": 1}')[0] == 401


def test_another_name_for_this_machine_is_refused(here: LiveServer) -> None:
    for path in ("/", "/state.json", "/stream.mjpg", "/healthz"):
        assert ask(here, path, {"Host": "evil.org", **BEARER})[0] == 403
    assert ask(here, "/", {"Host": "localhost:1234"})[0] == 200


def test_it_listens_on_this_machine_only(here: LiveServer) -> None:
    assert here.server_address[0] == "127.0.0.1"
    assert here.url == f"http://127.0.0.1:{here.server_address[1]}/", "a given token is not shown"
    with listen(Access.create(Address("127.0.0.1", 0), None)) as other:
        assert other.url.endswith(f"/?token={other.access.token}")


def test_a_port_in_use(here: LiveServer) -> None:
    port = here.server_address[1]
    with (
        pytest.raises(OutputError, match=rf"cannot listen on 127\.0\.0\.1, port {port} .*another"),
        listen(Access.create(Address("127.0.0.1", port), TOKEN)),
    ):
        pass


def test_ipv6(view: LiveView) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with listen(Access.create(Address("::1", 0), TOKEN)) as live, live.serving(view):
            port = live.server_address[1]
            connection = http.client.HTTPConnection("::1", port, timeout=10)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
    except OutputError:
        pytest.skip("no IPv6 address here")


def test_a_viewer_that_never_reads_costs_no_memory_and_is_dropped(
    here: LiveServer, view: LiveView, result: Nth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jpeg_stream, "MAX_RATE", 1000.0)
    monkeypatch.setattr(server._Handler, "timeout", 1.0)
    some = [result(index) for index in range(8)]
    with closing(watch(here)):
        until(lambda: here.viewers == 1)
        tracemalloc.start()
        sizes = []
        end = time.monotonic() + 10
        while here.viewers:
            assert time.monotonic() < end, "it is dropped after the timeout"
            for each in some:
                view.write(each)
            time.sleep(0.005)
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        encoded = view.images.encoded
        size = len(view.images.after(0, 5)[1])
    assert encoded * size > server.SEND_BUFFER, "its buffers were filled"
    assert max(sizes) - sizes[0] < 8 * size + 400_000, "no queue grows: samples, some JPEGs"
    assert encoded < 40 * len(sizes), "what is not asked for is not encoded"


def test_a_slow_viewer_does_not_slow_the_run(here: LiveServer, view: LiveView, result: Nth) -> None:
    with closing(watch(here)):
        until(lambda: here.viewers == 1)
        each, start = result(0), time.monotonic()
        for _ in range(500):
            view.write(each)
        assert time.monotonic() - start < 1.0


def test_more_connections_than_allowed_are_closed(
    here: LiveServer, view: LiveView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    viewers = [watch(here) for _ in range(3)]
    until(lambda: here.viewers == 3)
    with closing(watch(here)) as fourth, suppress(ConnectionResetError):
        assert fourth.recv(1) == b""  # a reset, where it is closed with the request unread
    for viewer in viewers:
        viewer.close()


def test_the_end_closes_everything(view: LiveView, result: Nth) -> None:
    with listen(Access.create(Address("127.0.0.1", 0), TOKEN)) as live:
        with live.serving(view):
            viewers = [watch(live) for _ in range(3)]
            until(lambda: live.viewers == 3)
            view.write(result(0))
        for viewer in viewers:
            while viewer.recv(65536):
                pass
            viewer.close()
    until(lambda: live.viewers == 0)
    names = [thread.name for thread in threading.enumerate()]
    assert not any("rcnet-rt" in name for name in names)
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", live.server_address[1]), timeout=1)
