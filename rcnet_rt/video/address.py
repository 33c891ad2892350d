"""Addresses of streams, whose credentials are never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rcnet_rt.errors import SourceError
from rcnet_rt.privacy import mask_address

__all__ = ["PROTOCOLS", "Address", "is_url", "parse_address"]

# What FFmpeg may open for an address: a stream must not lead it to files or other programs.
PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "http": "http,tcp",
    "https": "https,tls,http,tcp",
}


@dataclass(frozen=True)
class Address:
    """A stream's address.

    Attributes:
        url: as given, with user name, password and query; never to be shown.
        name: without them.
        scheme: a key of `PROTOCOLS`.
    """

    url: str = field(repr=False)
    name: str
    scheme: str

    @property
    def stem(self) -> str:
        """A name for files: the last part of the path, or the host."""
        last = self.name.split("://", 1)[1].rstrip("/").rsplit("/", 1)[-1]
        return re.sub(r"[^A-Za-z0-9_-]+", "_", last.rsplit(".", 1)[0]).strip("_") or "stream"


def is_url(text: str) -> bool:
    """Return whether a text starts like a URL.

    >>> is_url("rtsp://camera/1"), is_url("clips/a.mp4")
    (True, False)
    """
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", text) is not None


def parse_address(url: str) -> Address:
    """Take a URL apart.

    Raises:
        SourceError: it is no URL, or of another kind than rtsp, http and https.

    >>> parse_address("rtsp://me:secret@camera:554/live?token=1")
    Address(name='rtsp://camera:554/live', scheme='rtsp')
    """
    kinds = ", ".join(f"{name}://" for name in PROTOCOLS)
    if not is_url(url):
        raise SourceError(f"{mask_address(url)!r} is no address; expected one of {kinds}")
    scheme, rest = url.split("://", 1)
    scheme = scheme.lower()
    if scheme not in PROTOCOLS:
        raise SourceError(
            f"addresses of the kind {scheme}:// are not opened; give one of {kinds}, "
            "a file, a folder or a camera index"
        )
    return Address(url, mask_address(f"{scheme}://{rest}"), scheme)
