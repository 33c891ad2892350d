"""Ids of images in annotations, results and recordings: any JSON number or text.

A text may be the id itself, the name of the image's file, or that name without folder and suffix.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from rcnet_rt.errors import DatasetError

__all__ = ["ImageId", "ImageIndex", "id_fault", "last_number", "number_of", "stem_of"]

ImageId = int | str  # or a float: a whole one equals its int

IMAGE_SUFFIXES = frozenset(
    [".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"]
)


def id_fault(value: Any) -> str | None:
    """Return what is wrong with an id from a file, or None.

    >>> id_fault("img-872"), id_fault(2**64), id_fault(None)
    (None, None, 'None; expected a number or text')
    """
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return None
    if isinstance(value, float) and math.isfinite(value):
        return None
    return f"{value!r:.80}; expected a number or text"


def number_of(value: ImageId) -> int:
    """Return the whole number that stands for an id: itself, or 52 bits of the hash of its text.

    It is the same in every file and session, so that weights can name the images of a training.

    >>> number_of(872), number_of(872.0), number_of("img-872")
    (872, 872, 295766560523832)
    """
    if not isinstance(value, str) and value == int(value):
        value = int(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    digest = hashlib.sha256(str(value).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 12


def stem_of(name: str) -> str:
    """Return a file's name without folder and without the suffix of an image.

    >>> stem_of("val/hall_640.jpg"), stem_of("cam01.0030")
    ('hall_640', 'cam01.0030')
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def last_number(name: ImageId) -> int | None:
    """Return a whole number itself, or the last one in a name; None if there is none.

    >>> last_number(139), last_number("v2_000012.jpg"), last_number("hall.jpg")
    (139, 12, None)
    """
    if not isinstance(name, str):
        return number_of(name)
    numbers = re.findall(r"\d+", stem_of(name))
    return int(numbers[-1]) if numbers else None


class ImageIndex:
    """Finds images by id or by the name of their file.

    Args:
        names: for each image what it may be called: its id, and the name of its file if known.
    """

    def __init__(self, names: Iterable[tuple[ImageId, ...]]) -> None:
        self._names = list(names)
        self._levels: list[dict[ImageId, list[int]]] = []

    def find(self, wanted: ImageId) -> int | None:
        """Return the position of an image, None where there is none of that id or name.

        The id itself comes first, then its text, then names, then names without folder and suffix.

        Raises:
            DatasetError: several images have that name.
        """
        keys = [wanted, str(wanted)]
        if isinstance(wanted, str):
            keys += [PurePosixPath(wanted).name, stem_of(wanted)]
        for level, key in enumerate(keys):
            found = self._level(level).get(key, [])
            if len(found) > 1:
                raise DatasetError(
                    f"image {wanted!r} may be any of {len(found)} images of that name; use ids or "
                    "names that are unique"
                )
            if found:
                return found[0]
        return None

    def _level(self, level: int) -> dict[ImageId, list[int]]:
        while len(self._levels) <= level:
            index: dict[ImageId, list[int]] = {}
            for position, names in enumerate(self._names):
                for key in set(_keys(names, len(self._levels))):
                    index.setdefault(key, []).append(position)
            self._levels.append(index)
        return self._levels[level]


def _keys(names: tuple[ImageId, ...], level: int) -> Iterator[ImageId]:
    for name in names:
        if level == 0:
            yield name
        elif level == 1:
            yield str(name)
        elif isinstance(name, str):
            yield PurePosixPath(name).name if level == 2 else stem_of(name)
