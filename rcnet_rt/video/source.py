"""Where frames come from: video files, images, cameras and streams, all iterated alike.

for part in split("clips/*.mp4"):
    with open_source(part) as source:
        for frame in source:
            ...
"""

from __future__ import annotations

import glob
import os
import re
from functools import partial
from pathlib import Path

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Source
from rcnet_rt.privacy import mask_address
from rcnet_rt.video.address import Address, is_url, parse_address
from rcnet_rt.video.camera import CameraSource
from rcnet_rt.video.image_formats import check_all_readable
from rcnet_rt.video.images import IMAGE_SUFFIXES, ImageSource
from rcnet_rt.video.live import LiveSource
from rcnet_rt.video.sandbox import SandboxedSource
from rcnet_rt.video.stream import StreamSource
from rcnet_rt.video.videofile import VIDEO_SUFFIXES, VideoFileSource

__all__ = [
    "Frame",
    "Part",
    "Source",
    "is_live",
    "is_video",
    "open_here",
    "open_live",
    "open_sandboxed",
    "open_source",
    "split",
]

# What one source is opened from: a camera's index, a stream, a video file, or images.
Part = int | Address | Path | tuple[Path, ...]


def open_source(spec: str | Part, threads: int = 0) -> Source:
    """Open one source; its first frame is decoded, so what cannot be read fails here.

    What comes over a network is decoded in a process of its own.

    Args:
        spec: a part that `split` gave, or a text that stands for exactly one.
        threads: that decode a video file; 0 leaves the number to FFmpeg.

    Raises:
        SourceError: it is missing, damaged or not understood.
    """
    if isinstance(spec, str):
        parts = split(spec)
        if len(parts) != 1:
            raise SourceError(
                f"{mask_address(spec)!r} holds {len(parts)} sources; open them one by one"
            )
        spec = parts[0]
    return open_sandboxed(spec) if isinstance(spec, Address) else open_here(spec, threads)


def open_sandboxed(part: Part) -> Source:
    """Open one source of unknown origin: decoded in a process of its own, with limits.

    A camera is decoded here, for it is ours.

    Raises:
        SourceError: it is missing, damaged, or its decoder crashed.
    """
    return open_here(part) if isinstance(part, int) else SandboxedSource(part)


def open_here(part: Part, threads: int = 0) -> Source:
    """Open one source, decoded in this process; `threads` as for `open_source`.

    Raises:
        SourceError: it is missing or damaged.
    """
    if isinstance(part, int):
        return CameraSource(part)
    if isinstance(part, Address):
        return StreamSource(part)
    if isinstance(part, Path):
        return VideoFileSource(part, threads)
    return ImageSource(part)


def open_live(part: Part) -> LiveSource:
    """Open a camera or stream; whenever it is lost, it is opened again.

    Raises:
        SourceError: there is no answer, or the part is a file.
    """
    if not is_live(part):
        raise SourceError("a file is not live; give a camera index or an address")
    return LiveSource(partial(open_source, part))


def split(spec: str) -> list[Part]:
    """Return the sources that a text stands for: images together, every video on its own.

    Args:
        spec: a file, a folder, a glob, a camera's index, or an rtsp, http or https address.

    Raises:
        SourceError: nothing is there, or it is a URL of another kind.

    >>> split("0")
    [0]
    """
    if is_url(spec):
        return [parse_address(spec)]
    shown, path = mask_address(spec), Path(spec)
    if path.is_dir():
        return _group(spec, [entry for entry in path.iterdir() if entry.is_file()])
    if path.is_file():
        check_all_readable(spec, [path], [])
        return [(path,)] if _is_image(path) else [path]
    if path.exists():
        raise SourceError(
            f"{spec} is neither a file nor a folder; give a video, an image or a folder"
        )
    if spec.isascii() and spec.isdigit():
        return [int(spec)]
    if glob.has_magic(spec):
        return _group(spec, [Path(found) for found in glob.glob(spec) if os.path.isfile(found)])
    hint = "" if shown == spec else "; an address begins with rtsp://, http:// or https://"
    raise SourceError(f"no such file or folder: {shown}; check the path{hint}")


def is_video(part: Part) -> bool:
    """Return whether frames of this part follow each other in time.

    >>> is_video(0)
    True
    """
    return not isinstance(part, tuple)


def is_live(part: Part) -> bool:
    """Return whether a part is a camera or stream, which does not wait.

    >>> is_live(0), is_live(Path("a.mp4"))
    (True, False)
    """
    return isinstance(part, (int, Address))


def _group(spec: str, files: list[Path]) -> list[Part]:
    images = tuple(sorted(filter(_is_image, files), key=_natural))
    check_all_readable(spec, files, images)
    videos = sorted((f for f in files if f.suffix.lower() in VIDEO_SUFFIXES), key=_natural)
    parts: list[Part] = [images] if images else []
    parts.extend(videos)
    if not parts:
        raise SourceError(
            f"no images or videos in {spec}: expected files such as *.jpg, *.png or *.mp4"
        )
    return parts


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts frame before frame2 and frame2 before frame10."""
    parts = re.split(r"([0-9]+)", str(path.with_suffix("")))
    return [(1, int(p), "") if p.isascii() and p.isdigit() else (0, 0, p) for p in parts]
