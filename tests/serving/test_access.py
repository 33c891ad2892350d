from __future__ import annotations

import socket

import pytest

from rcnet_rt import OutputError
from rcnet_rt.serving.access import Access, Address, parse_address

TOKEN = "0123456789abcdef"
HERE, BEYOND = Address("127.0.0.1", 80), Address("0.0.0.0", 80)


def test_this_machine_only_unless_told() -> None:
    assert parse_address("8080") == Address("127.0.0.1", 8080)
    assert parse_address("0.0.0.0:8080") == Address("0.0.0.0", 8080)
    assert parse_address("[::]:0") == Address("::", 0)
    here = ["8080", "localhost:8080", "127.3.2.1:80", "[::1]:80"]
    beyond = ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "robot.local:80", "localhost.evil.org:80"]
    assert all(parse_address(text).is_loopback for text in here)
    assert not any(parse_address(text).is_loopback for text in beyond)


@pytest.mark.parametrize(
    "text", ["", "host", ":8080", "8080x", "65536", "a b:80", "::1:80", "http://a:80", "-1", "1.5"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(OutputError, match=r"expected \[HOST:\]PORT"):
        parse_address(text)


def test_urls() -> None:
    assert Address("127.0.0.1", 0).url(81) == "http://127.0.0.1:81/"
    assert Address("::1", 0).url(81) == "http://[::1]:81/"
    assert BEYOND.url(81) == f"http://{socket.gethostname()}:81/"


def test_tokens() -> None:
    first, second = (Access.create(HERE, None) for _ in range(2))
    assert first.generated
    assert first.token != second.token
    assert len(first.token) >= 32
    given = Access.create(HERE, TOKEN)
    assert not given.generated
    assert given.has_token(TOKEN)
    for wrong in ("", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), "é" * 16, "\udcff"):
        assert not given.has_token(wrong)
    for bad in ("", "short", "with blanks 0123456789", "ünïcödé-0123456789"):
        with pytest.raises(OutputError, match="at least 16"):
            Access.create(HERE, bad)


def test_looking_needs_the_token_beyond_this_machine() -> None:
    assert Access.create(HERE, TOKEN).may_view("")
    assert not Access.create(BEYOND, TOKEN).may_view("")
    assert Access.create(BEYOND, TOKEN).may_view(TOKEN)


def test_names_that_resolve_to_this_machine_are_refused() -> None:
    access = Access.create(HERE, TOKEN)
    ours = ["127.0.0.1:80", "127.0.0.1", "localhost:9000", "LOCALHOST", "[::1]:80"]
    others = [
        "",
        "evil.org",
        "evil.org:80",
        "127.0.0.1.evil.org",
        "localhost.evil.org:80",
        "10.0.0.1",
    ]
    assert all(map(access.allows_host, ours))
    assert not any(map(access.allows_host, others))
    assert Access.create(BEYOND, TOKEN).allows_host("robot.local")
