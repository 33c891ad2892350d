"""Image files that OpenCV does not read: how they are recognised, and what to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rcnet_rt.errors import SourceError

__all__ = ["CONVERT", "UNREAD_SUFFIXES", "check_all_readable", "unread_format"]

UNREAD_SUFFIXES = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    ".avif": "AVIF",
    ".jxl": "JPEG XL",
    **dict.fromkeys((".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"), "camera raw"),
}
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
CONVERT = "convert to JPEG (heif-convert, ImageMagick or, on a Mac, sips -s format jpeg do it)"


def unread_format(start: bytes) -> str | None:
    r"""Return the name of the format that a file starts as, if it is an image that is not read.

    >>> unread_format(b"\0\0\0\x18ftypheic")
    'HEIC'
    """
    if start[4:8] == b"ftyp":
        return BRANDS.get(start[8:12])
    return "JPEG XL" if start.startswith(JPEG_XL) else None


def check_all_readable(spec: str, files: Sequence[Path], read: Sequence[Path]) -> None:
    """Check that no image is passed over in silence.

    An image that lies there in a format that is read as well, as cameras write it, is no loss.

    Args:
        spec: what the user gave.
        files: what was found there.
        read: the images among them that are read.

    Raises:
        SourceError: there are images in formats that are not read.
    """
    stems = {path.with_suffix("") for path in read}
    unread = [
        path
        for path in sorted(files)
        if path.suffix.lower() in UNREAD_SUFFIXES and path.with_suffix("") not in stems
    ]
    if not unread:
        return
    names = ", ".join(path.name for path in unread[:3]) + (", …" if len(unread) > 3 else "")
    formats = " and ".join(sorted({UNREAD_SUFFIXES[path.suffix.lower()] for path in unread}))
    rest = f"; or give the others alone, such as {spec}/*.jpg" if read else ""
    raise SourceError(
        f"{spec}: {len(unread)} of {len(unread) + len(read)} images are in a format that is not "
        f"read ({formats}: {names}); {CONVERT}{rest}"
    )
