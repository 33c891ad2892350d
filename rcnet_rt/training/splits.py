"""Divide images into training images and held-out images."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from rcnet_rt.errors import DatasetError

__all__ = ["Split", "fold_splits", "fraction_split"]


@dataclass(frozen=True)
class Split:
    """Ids of the training images and of the held-out images."""

    name: str
    training: tuple[int, ...]
    held_out: tuple[int, ...]


def fold_splits(images: Collection[int], folds: int, seed: int = 0) -> list[Split]:
    """Return k splits that hold out each image once, deterministic for the same images and seed.

    Raises:
        DatasetError: fewer images than folds.
    """
    if not 2 <= folds <= len(images):
        raise DatasetError(f"{len(images)} images allow 2 to {len(images)} folds, got {folds}")
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
    """Return one split that holds out a random fraction of the images, in (0, 1).

    Raises:
        DatasetError: no image would be left for training or held out.
    """
    count = round(len(images) * fraction)
    if not 0 < count < len(images):
        raise DatasetError(
            f"holding out {fraction:g} of {len(images)} images leaves {count} to evaluate and "
            f"{len(images) - count} to train on; both need at least one"
        )
    shuffled = np.random.default_rng(seed).permutation(sorted(images)).tolist()
    return Split("training", tuple(sorted(shuffled[count:])), tuple(sorted(shuffled[:count])))
