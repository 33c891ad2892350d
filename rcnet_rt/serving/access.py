"""Who may see and steer a run over HTTP.

A token is needed for everything where the server listens beyond this machine, and for moving the
threshold everywhere. On this machine the `Host` header is checked as well: a page of another site
that has its name resolve to 127.0.0.1 (DNS rebinding) still sends its own name there.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass

from rcnet_rt.errors import OutputError

__all__ = ["LOOPBACK", "Access", "Address", "parse_address"]

LOOPBACK = "127.0.0.1"
MIN_TOKEN = 16  # characters
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 (compared with, not listened on)


@dataclass(frozen=True)
class Address:
    """Where a server listens; port 0 is any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return _is_loopback(self.host)

    def url(self, port: int) -> str:
        """Return the address for a browser, with the port that is listened on."""
        host = socket.gethostname() if self.host in ANY_ADDRESS else self.host
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@dataclass(frozen=True)
class Access:
    """What a request must bring.

    Attributes:
        address: where the server listens.
        token: the secret.
        generated: whether it was made here, so that somebody has to be told.
    """

    address: Address
    token: str
    generated: bool

    @classmethod
    def create(cls, address: Address, token: str | None) -> Access:
        """Return the access by the token, or by a new one.

        Raises:
            OutputError: the token is too short, or has characters that an URL would escape.
        """
        if token is None:
            return cls(address, secrets.token_urlsafe(24), generated=True)
        if not re.fullmatch(rf"[\w.~-]{{{MIN_TOKEN},}}", token, re.ASCII):
            raise OutputError(
                f"token of the live view: expected at least {MIN_TOKEN} letters, digits and "
                "- _ . ~; leave it out to have one made"
            )
        return cls(address, token, generated=False)

    def has_token(self, given: str) -> bool:
        """Return whether that is the token, in a time that does not depend on how much of it is."""
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())

    def may_view(self, given: str) -> bool:
        """Return whether a request with that token, or "", may look."""
        return self.address.is_loopback or self.has_token(given)

    def allows_host(self, host: str) -> bool:
        """Return whether a request with that `Host` header is answered.

        Where only this machine can ask, the header must name it, with any port, as behind `ssh -L`.
        """
        if not self.address.is_loopback:
            return True  # the token, which no other site knows, is needed for everything
        name = re.sub(r":\d+$", "", host).strip("[]").lower()
        return name == self.address.host.lower() or _is_loopback(name)


def parse_address(text: str) -> Address:
    """Return the address in `[HOST:]PORT`; an IPv6 host stands in brackets.

    Raises:
        OutputError: it is none.

    >>> parse_address("8080"), parse_address("[::1]:80")
    (Address(host='127.0.0.1', port=8080), Address(host='::1', port=80))
    """
    match = re.fullmatch(r"(?:(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\]]+)):)?(\d{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise OutputError(
            "live view: expected [HOST:]PORT such as 8080, 0.0.0.0:8080 or [::1]:8080, "
            f"got {text!r}"
        )
    return Address(match[1] or match[2] or LOOPBACK, int(match[3]))


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
