"""Simulated results of an estimator that does not exist: annotated people with random errors.

For capacity and for exercising code, never for a claim of accuracy: the errors are of the kinds
that estimators make, their rates are made up.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import Dataset, GroundTruth
from rcnet_rt.datasets.results import Entry, write_results

__all__ = ["Errors", "simulate"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Errors:
    """Rates of errors; made up.

    Attributes:
        missed: people of 96 pixels that are not found; smaller ones are missed more often.
        doubled: found people with a second, worse pose.
        background: false positives an image, on average.
        jitter: median displacement of a joint, in units of 2 sigma sqrt(area).
        spread: standard deviation of the jitter's logarithm, between poses.
        swapped: left and right joints that change places.
        strayed: joints that are far off.
    """

    missed: float = 0.12
    doubled: float = 0.25
    background: float = 2.0
    jitter: float = 0.5
    spread: float = 0.6
    swapped: float = 0.04
    strayed: float = 0.05


@dataclass(frozen=True, eq=False)
class _People:
    """G people: keypoints (G, K, 2), visible (G, K), areas (G,), boxes (G, 4), image ids (G,)."""

    keypoints: Floats
    visible: npt.NDArray[np.bool_]
    areas: Floats
    boxes: Floats
    image: Integers

    def __getitem__(self, rows: Any) -> _People:
        return _People(*(column[rows] for column in vars(self).values()))


def simulate(truth: GroundTruth, seed: int = 0, errors: Errors | None = None) -> list[Entry]:
    """Return COCO results in the order of the images, with joint scores and boxes."""
    random = np.random.default_rng(seed)
    shares = errors or Errors()
    people = _people(truth)
    size = np.sqrt(people.areas)
    found = np.flatnonzero(random.random(len(size)) > np.clip(shares.missed * 96 / size, 0, 0.9))
    doubled = found[random.random(len(found)) < shares.doubled]
    jitter = shares.jitter * random.lognormal(0, shares.spread, len(found) + len(doubled))
    jitter[len(found) :] *= 1.7
    real = people[np.concatenate([found, doubled])]
    nobody = _nobody(truth, people, shares, random)
    keypoints, fit = _moved(real, truth, jitter, shares, random)
    columns = [
        (real.image, nobody.image),
        (keypoints, nobody.keypoints),
        (_shaken(real.boxes, random), nobody.boxes),
        (fit, random.uniform(0, 0.6, nobody.visible.shape)),
        (real.areas, nobody.areas),
    ]
    return _entries(*(np.concatenate(column) for column in columns), random)


def _people(truth: GroundTruth) -> _People:
    """Return all people with a labelled joint."""
    images = np.repeat(list(truth.persons), [len(persons) for persons in truth.persons.values()])
    persons = truth.persons.values()
    everybody = _People(
        np.concatenate([item.keypoints for item in persons]),
        np.concatenate([item.visible for item in persons]),
        np.concatenate([item.areas for item in persons]),
        np.concatenate([item.boxes for item in persons]),
        images,
    )
    return everybody[everybody.visible.any(axis=1)]


def _moved(
    people: _People,
    truth: GroundTruth,
    jitter: Floats,
    shares: Errors,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return (N, K, 2) keypoints with errors, and (N, K) how well each joint fits, 0 unknown."""
    labeled = people.visible[..., None]
    low, high = people.boxes[:, None, :2], people.boxes[:, None, 2:]
    points = np.where(labeled, people.keypoints, random.uniform(low, np.maximum(high, low + 1)))
    unit = 2 * np.array(truth.skeleton.sigmas) * np.sqrt(people.areas)[:, None]
    width = jitter[:, None] * np.where(random.random(unit.shape) < shares.strayed, 8, 1)
    moved = points + random.normal(size=points.shape) * (unit * width)[..., None]
    for pair in truth.skeleton.flip_pairs:
        swapped = np.flatnonzero(random.random(len(moved)) < shares.swapped)[:, None]
        moved[swapped, pair] = moved[swapped, pair[::-1]]
    distance = ((moved - points) ** 2).sum(axis=2) / (2 * unit**2)
    return moved, np.exp(-distance) * people.visible


def _nobody(
    truth: GroundTruth, people: _People, shares: Errors, random: np.random.Generator
) -> _People:
    """Return poses of people from elsewhere, at a random place of each image."""
    counts = random.poisson(shares.background, len(truth.images))
    donors = people[random.integers(0, len(people.areas), counts.sum())]
    sizes = np.repeat(np.array(list(truth.image_sizes.values())), counts, axis=0)
    shift = random.uniform(0, sizes) - donors.boxes[:, :2]
    return _People(
        np.where(donors.visible[..., None], donors.keypoints, donors.boxes[:, None, :2])
        + shift[:, None],
        donors.visible,
        donors.areas,
        donors.boxes + np.tile(shift, 2),
        np.repeat(np.array(list(truth.images)), counts),
    )


def _shaken(boxes: Floats, random: np.random.Generator) -> Floats:
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return np.asarray(boxes + random.normal(0, 0.04, boxes.shape) * size)


def _entries(
    image: Integers,
    keypoints: Floats,
    boxes: Floats,
    fit: Floats,
    areas: Floats,
    random: np.random.Generator,
) -> list[Entry]:
    """Return the poses as COCO results; scores depend a little on the fit and the size."""
    confidence = np.clip(0.1 + 0.8 * fit + random.normal(0, 0.15, fit.shape), 0.01, 0.99)
    logit = 3 * fit.mean(axis=1) - 1.8 + 0.35 * np.log(np.sqrt(areas) / 96)
    score = 1 / (1 + np.exp(-logit - random.normal(0, 0.9, len(logit))))
    rows = np.concatenate([keypoints.round(2), confidence[..., None].round(4)], axis=2)
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).round(2)
    columns: Mapping[str, Any] = {
        "image_id": image.tolist(),
        "keypoints": rows.reshape(len(rows), -1).tolist(),
        "score": score.round(6).tolist(),
        "bbox": corner_and_size.tolist(),
    }
    return [
        {"category_id": 1, **{name: column[row] for name, column in columns.items()}}
        for row in np.argsort(image, kind="stable").tolist()
    ]


def main(coco: Path, split: str, out: Path, seed: str = "0") -> None:
    """Write simulated results of a split: `… simulator COCO SPLIT OUT [SEED]`."""
    write_results(out, simulate(Dataset(coco).ground_truth(split), int(seed)))


if __name__ == "__main__":
    folder, name, file, *number = sys.argv[1:]
    main(Path(folder), name, Path(file), *number)
