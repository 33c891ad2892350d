"""How images are divided into those to train on and those held out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from rcnet_rt.errors import DatasetError

__all__ = ["Split", "fold_splits", "fraction_split"]


@dataclass(frozen=True)
class Split:
    """Images to train on and images held out."""

    name: str
    training: tuple[int, ...]
    held_out: tuple[int, ...]


def fold_splits(images: Collection[int], folds: int, seed: int = 0) -> list[Split]:
    """Return k splits that hold each image out once; the same for the same images and seed.

    Raises:
        DatasetError: fewer images than folds.
    """
    if not 2 <= folds <= len(images):
        raise DatasetError(f"{folds} folds need 2 to {len(images)} for {len(images)} images")
    shuffled = np.random.default_rng(seed).permutation(sorted(images)).tolist()
    parts = [shuffled[start::folds] for start in range(folds)]
    return [
        Split(
            f"fold {number} of {folds}",
            tuple(sorted(set(shuffled) - set(part))),
            tuple(sorted(part)),
        )
        for number, part in enumerate(parts, 1)
    ]


def fraction_split(images: Collection[int], fraction: float, seed: int = 0) -> Split:
    """Return one split that holds a share of the images out.

    Raises:
        DatasetError: a side of it would be empty.
    """
    count = round(len(images) * fraction)
    if not 0 < count < len(images):
        raise DatasetError(
            f"holding {fraction:g} of {len(images)} images out leaves {count} to judge and "
            f"{len(images) - count} to train on; both need some"
        )
    shuffled = np.random.default_rng(seed).permutation(sorted(images)).tolist()
    return Split("training", tuple(sorted(shuffled[count:])), tuple(sorted(shuffled[:count])))
