"""What is predicted: local paths and fsspec addresses, globs, folders, lists in text files."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from rcnet_rt.errors import RcnetError, SourceError, missing_package
from rcnet_rt.privacy import mask_address
from rcnet_rt.video.address import is_url
from rcnet_rt.video.images import IMAGE_SUFFIXES
from rcnet_rt.video.videofile import VIDEO_SUFFIXES

__all__ = ["Media", "filesystem", "find_media", "local_copy", "open_bytes"]

LIST_SUFFIX = ".txt"
STAMPS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")


@dataclass(frozen=True)
class Media:
    """A video or an image.

    Attributes:
        address: path or URL, with credentials; never to be shown.
        stamp: its size and when it was changed, or the hash that the store gives.
        name: the address without credentials, as results have it.
        key: 12 hexadecimal digits that stand for the address.
        is_image: an image rather than a video.
    """

    address: str = field(repr=False)
    stamp: str

    @property
    def name(self) -> str:
        """The address without credentials, as results have it."""
        return _without_credentials(self.address) if is_url(self.address) else self.address

    @property
    def key(self) -> str:
        """12 hexadecimal digits that stand for the address; of a path, for the absolute one."""
        address = self.name if is_url(self.address) else os.path.abspath(self.address)
        return sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @property
    def is_image(self) -> bool:
        """Whether it is an image, by its name."""
        return PurePosixPath(self.name).suffix.lower() in IMAGE_SUFFIXES


def _without_credentials(url: str) -> str:
    """Return a URL without user name and password, and without the query that signs a web address.

    The path stays as it is: it tells sources apart.

    >>> _without_credentials("s3://bucket/day=3/a.mp4")
    's3://bucket/day=3/a.mp4'
    >>> _without_credentials("https://me:secret@host/a.mp4?token=1")
    'https://host/a.mp4'
    """
    scheme, rest = url.split("://", 1)
    place, slash, path = rest.partition("/")
    if scheme.lower() in ("http", "https"):
        path = path.split("?", 1)[0].split("#", 1)[0]
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def find_media(specs: Sequence[str]) -> list[Media]:
    """Return the videos and images that texts stand for, each once, in the order of the texts.

    Args:
        specs: files, folders, globs, `.txt` files with one of these a line; paths or addresses that
            fsspec opens, such as `s3://bucket/*.mp4`.

    Raises:
        SourceError: nothing is there.
        RcnetError: fsspec, or what it needs for that kind of address, is not installed.
    """
    found: dict[str, Media] = {}
    for spec in _lines(specs):
        media = list(_remote(spec) if is_url(spec) else _local(spec))
        if not media:
            raise SourceError(f"no images or videos in {mask_address(spec)}; check the path")
        for each in media:
            found.setdefault(each.key, each)
    return list(found.values())


def _lines(specs: Sequence[str]) -> Iterator[str]:
    for spec in specs:
        if not spec.lower().endswith(LIST_SUFFIX):
            yield spec
            continue
        try:
            with open_bytes(spec) as file:
                text = file.read().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(
                f"the list {mask_address(spec)} cannot be read ({error}); give a text file with "
                "an address a line"
            ) from error
        yield from (line.strip() for line in text.splitlines() if line.strip())


def _local(spec: str) -> Iterator[Media]:
    if os.path.isfile(spec):
        yield _local_media(spec)
        return
    if os.path.isdir(spec):
        paths = [os.path.join(spec, name) for name in os.listdir(spec)]
    else:
        paths = glob.glob(spec, recursive=True)
    yield from (_local_media(path) for path in sorted(paths) if _is_media(path))


def _local_media(path: str) -> Media:
    status = os.stat(path)
    return Media(path, f"{status.st_size} {status.st_mtime_ns}")


def _remote(spec: str) -> Iterator[Media]:
    system, path = filesystem(spec)
    try:
        if glob.has_magic(path) and not system.isfile(path):
            found = system.glob(path, detail=True)
        elif system.isdir(path):
            found = {entry["name"]: entry for entry in system.ls(path, detail=True)}
        else:
            # As a glob would spell it; the file system's own spelling has no user name.
            address = spec if "@" in spec else system.unstrip_protocol(path)
            yield Media(address, _stamp(system.info(path)))
            return
    except OSError as error:
        raise SourceError(
            f"{mask_address(spec)} cannot be listed ({error}); check the address and the access"
        ) from error
    for name in sorted(found):
        if found[name].get("type") != "directory" and _is_media(name):
            yield Media(system.unstrip_protocol(name), _stamp(found[name]))


def _stamp(info: dict[str, Any]) -> str:
    return " ".join([str(info.get("size")), *(str(info[key]) for key in STAMPS if key in info)])


def _is_media(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES


def filesystem(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address, and the path in it.

    Raises:
        RcnetError: fsspec, or what it needs for that kind of address, is not installed.
        SourceError: an unknown kind of address.
    """
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(address)
    except ImportError as error:
        kind = address.split("://", 1)[0]
        package = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}.get(kind, "fsspec")
        raise RcnetError(
            missing_package(package, f"{kind}:// addresses", "rcnet-rt[ray]")
        ) from error
    except ValueError as error:
        raise SourceError(
            f"{mask_address(address)} is no address that is known: {error}"
        ) from error
    return system, path


@contextmanager
def open_bytes(address: str) -> Iterator[BinaryIO]:
    """Yield a local or remote file, open for reading.

    Raises:
        OSError: it cannot be opened.
    """
    if not is_url(address):
        with open(address, "rb") as file:
            yield file
        return
    system, path = filesystem(address)
    with system.open(path, "rb") as file:
        yield file


@contextmanager
def local_copy(media: Media) -> Iterator[Path]:
    """Yield the path of a local file, or of a copy of a remote one that is removed afterwards.

    Raises:
        SourceError: it cannot be fetched.
    """
    if not is_url(media.address):
        yield Path(media.address)
        return
    with tempfile.TemporaryDirectory(prefix="rcnet-rt-") as folder:
        copy = Path(folder) / PurePosixPath(media.name).name
        try:
            system, path = filesystem(media.address)
            system.get_file(path, str(copy))
        except OSError as error:
            raise SourceError(
                f"{media.name} cannot be fetched ({error}); check the address and the access"
            ) from error
        yield copy
