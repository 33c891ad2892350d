"""COCO's keypoint AP, exact and fast: everything independent of the scores is computed once.

`COCOeval` starts from the keypoints every time. Here OKS values, their order and the ignore rules
are kept, so that new scores cost only greedy matching and ranking: milliseconds, which allows an
evaluation after every training epoch and a thousand bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.ground_truth import GroundTruth, check_category
from rcnet_rt.datasets.results import (
    Entry,
    indices_by_image,
    keypoint_values,
)
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.bootstrap import Interval, draws, interval
from rcnet_rt.evaluation.precision_recall import Metrics, Ranking
from rcnet_rt.poses.oks import THRESHOLDS

__all__ = ["MAX_POSES", "AveragePrecision", "Interval", "Metrics", "entry_oks"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

MAX_POSES = 20  # COCO counts an image's 20 highest scores
AREA_RANGES = np.array([[0, 1e5**2], [32**2, 96**2], [96**2, 1e5**2]])  # all, medium, large


class AveragePrecision:
    """The AP of one results file under any scores; equal to pycocotools' `COCOeval`.

    Build once, evaluate many score vectors. A score vector has one score for each entry; entries on
    images that are not evaluated are skipped.

    Attributes:
        images: ids of the evaluated images, ascending.
        complete: ids of those whose annotations are complete.

    Raises:
        DatasetError: none of the entries' images is in the ground truth.
    """

    def __init__(
        self,
        ground_truth: GroundTruth,
        entries: Sequence[Entry],
        images: Collection[int] | None = None,
    ) -> None:
        """Compute what does not depend on scores; `images` defaults to those with entries."""
        wanted = {entry["image_id"] for entry in entries} if images is None else set(images)
        self.images = tuple(sorted(wanted & ground_truth.images.keys()))
        self.complete = ground_truth.complete.intersection(self.images)
        if not self.images:
            raise DatasetError(
                f"none of the {len(wanted)} images of the results is in the ground truth; "
                "give the dataset that the results were made on"
            )
        self._entry_count = len(entries)
        self._set_people(ground_truth)
        self._set_poses(ground_truth, entries)

    def _set_people(self, ground_truth: GroundTruth) -> None:
        """Number the people of all images consecutively; the last index stands for no person."""
        people = [ground_truth.persons[image] for image in self.images]
        counts = [len(persons) for persons in people]
        owner = np.repeat(np.arange(len(people)), counts)
        ignore = np.concatenate([persons.ignore for persons in people])
        outside = _outside(np.concatenate([persons.areas for persons in people]))
        self._first_person = np.cumsum([0, *counts])
        self._crowd = np.append(np.concatenate([persons.iscrowd for persons in people]), False)
        self._ignored = np.pad(outside | ignore, ((0, 0), (0, 1)))
        self._people = np.stack(
            [np.bincount(owner[~row[:-1]], minlength=len(people)) for row in self._ignored]
        )

    def _set_poses(self, ground_truth: GroundTruth, entries: Sequence[Entry]) -> None:
        """Keep which entries are evaluated, their images, and the people each may be matched to."""
        place = {image: index for index, image in enumerate(self.images)}
        evaluated = [part for part in entry_oks(ground_truth, entries) if part[0] in place]
        pairs = [np.nonzero(similarity >= THRESHOLDS[0]) for _, _, similarity in evaluated]
        counts = [len(indices) for _, indices, _ in evaluated]
        owner = np.array([place[image] for image, _, _ in evaluated], dtype=np.int64)
        self._rows = _join([indices for _, indices, _ in evaluated])
        self._image = np.repeat(owner, counts)
        self._outside = _outside(_pose_areas(ground_truth, entries)[self._rows])
        first_pose = np.cumsum([0, *counts])
        self._candidate, self._reached = self._candidates(
            _join([pair[0] + first for pair, first in zip(pairs, first_pose, strict=False)]),
            _join([pair[1] + self._first_person[i] for pair, i in zip(pairs, owner, strict=True)]),
            _join([part[2][pair] for part, pair in zip(evaluated, pairs, strict=True)]),
        )

    def _candidates(
        self, pose: Integers, person: Integers, similarity: Floats
    ) -> tuple[Integers, Integers]:
        """Return (A, N, C) candidate people and the number of OKS thresholds that each reaches.

        In the order in which COCO tries them: people that count first, then by falling OKS, of
        equal ones the later person. Unused places hold no person, who reaches no threshold.
        """
        width = int(np.bincount(pose, minlength=1).max()) or 1
        shape = (len(AREA_RANGES), len(self._rows), width)
        candidate = np.full(shape, len(self._crowd) - 1)
        reached = np.zeros(shape, dtype=np.int64)
        for area, ignored in enumerate(self._ignored):
            order = np.lexsort((-person, -similarity, ignored[person], pose))
            place = np.arange(len(order)) - np.searchsorted(pose[order], pose[order])
            candidate[area, pose[order], place] = person[order]
            reached[area, pose[order], place] = np.searchsorted(
                THRESHOLDS, similarity[order], side="right"
            )
        return candidate, reached

    def evaluate(self, scores: npt.ArrayLike, images: Collection[int] | None = None) -> Metrics:
        """Return COCO's metrics for the (N,) scores of the entries, over all images or some.

        Raises:
            DatasetError: not one finite score for each entry.
        """
        return self.ranking(scores, len(AREA_RANGES)).metrics(self._weights(images))

    def ap(self, scores: npt.ArrayLike, images: Collection[int] | None = None) -> float:
        """Return the AP alone, in a third of the time; NaN where no person counts."""
        return self.ap_of(self.ranking(scores, 1), images)

    def ap_of(self, ranking: Ranking, images: Collection[int] | None = None) -> float:
        """Return the AP of what `ranking` returned, for several sets of images."""
        return ranking.ap(self._weights(images))

    def bootstrap(
        self,
        scores_before: npt.ArrayLike,
        scores_after: npt.ArrayLike,
        resamples: int = 1000,
        seed: int = 0,
        images: Collection[int] | None = None,
        confidence: float = 0.95,
    ) -> Interval:
        """Return the AP gain of one score vector over another, with its percentile interval.

        Paired: each resample draws as many images as there are, with replacement, and both score
        vectors are evaluated on the same draw. An image drawn twice counts twice.
        """
        once = self._weights(images)
        before, after = (
            self.ranking(scores, 1).over(once > 0) for scores in (scores_before, scores_after)
        )

        def gain(weights: Floats) -> float:
            return after.ap(weights) - before.ap(weights)

        gains = [gain(draw) for draw in draws(once > 0, resamples, seed)]
        return interval(gain(once), gains, confidence)

    def bootstrap_metrics(
        self,
        scores_before: npt.ArrayLike,
        scores_after: npt.ArrayLike,
        resamples: int = 1000,
        seed: int = 0,
        images: Collection[int] | None = None,
        confidence: float = 0.95,
    ) -> dict[str, Interval]:
        """Return the gain in each of COCO's metrics by its name in `Metrics`, on the same draws.

        Metrics that are undefined, for lack of people of that size, are left out.
        """
        areas = len(AREA_RANGES)
        once = self._weights(images)
        before, after = (
            self.ranking(scores, areas).over(once > 0) for scores in (scores_before, scores_after)
        )

        def gains(weights: Floats) -> Floats:
            pair = np.array([astuple(ranking.metrics(weights)) for ranking in (before, after)])
            difference: Floats = pair[1] - pair[0]
            return difference

        found = gains(once)
        drawn = np.array([gains(draw) for draw in draws(once > 0, resamples, seed)])
        return {
            field.name: interval(float(found[place]), drawn[:, place], confidence)
            for place, field in enumerate(fields(Metrics))
            if np.isfinite(found[place])
        }

    def by_image(self, scores: npt.ArrayLike) -> Floats:
        """Return the (I,) AP of each image alone; NaN where no person counts."""
        ranking = self.ranking(scores, 1)
        return np.array([ranking.ap(row) for row in np.eye(len(self.images))])

    def curves(self, scores: npt.ArrayLike, images: Collection[int] | None = None) -> Floats:
        """Return (T, 101) precision at COCO's thresholds and recalls."""
        precision, _ = self.ranking(scores, 1).curves(self._weights(images))
        everybody: Floats = precision[0]
        return everybody

    def _weights(self, images: Collection[int] | None) -> Floats:
        """Return (I,) how often each image counts: 1, or 0 outside of `images`."""
        chosen = np.ones(len(self.images)) if images is None else np.isin(self.images, list(images))
        if not chosen.any():
            raise DatasetError(
                "none of the requested images was evaluated; request some of `images`"
            )
        return chosen.astype(np.float64)

    def ranking(self, scores: npt.ArrayLike, areas: int) -> Ranking:
        """Match greedily by falling score, in the first `areas` area ranges."""
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != (self._entry_count,) or not np.isfinite(values).all():
            raise DatasetError(
                f"expected {self._entry_count} finite scores, one for each entry of the results, "
                f"got shape {values.shape}"
                + ("" if np.isfinite(values).all() else " with some that are not finite")
            )
        values = values[self._rows]
        order = np.lexsort((-values, self._image))  # stable: equal scores keep the file's order
        image = self._image[order]
        rank = np.arange(len(order)) - np.searchsorted(image, image)
        kept, rank = order[rank < MAX_POSES], rank[rank < MAX_POSES]
        person = self._match(kept, rank, areas)
        nobody = len(self._crowd) - 1
        ignored = self._ignored[np.arange(areas)[:, None, None], person]
        ignored |= (person == nobody) & self._outside[:areas, None, kept]
        matched = person != nobody
        by_score = np.argsort(-values[kept], kind="stable")
        return Ranking(
            (matched & ~ignored)[..., by_score],
            (~matched & ~ignored)[..., by_score],
            self._image[kept][by_score],
            self._people[:areas],
        )

    def _match(self, poses: Integers, rank: Integers, areas: int) -> Integers:
        """Return (A, T, D) the person matched to each pose: all images at once, rank by rank."""
        area = np.arange(areas)[:, None, None, None]
        level = np.arange(len(THRESHOLDS))[:, None, None]
        nobody = len(self._crowd) - 1
        free = np.ones((areas, len(THRESHOLDS), nobody + 1), dtype=bool)
        person = np.full((areas, len(THRESHOLDS), len(poses)), nobody)
        for step in range(MAX_POSES):
            places = np.flatnonzero(rank == step)
            candidate = self._candidate[:areas, None, poses[places]]
            able = self._reached[:areas, None, poses[places]] > level
            able &= free[area, level, candidate]
            first = able.argmax(axis=3)[..., None]
            chosen = np.take_along_axis(np.broadcast_to(candidate, able.shape), first, axis=3)[
                ..., 0
            ]
            chosen = np.where(able.any(axis=3), chosen, nobody)
            person[:, :, places] = chosen
            free[area[..., 0], level[..., 0], chosen] = False
            free |= self._crowd  # a crowd may be matched any number of times
        return person


def entry_oks(
    ground_truth: GroundTruth, entries: Sequence[Entry]
) -> Iterator[tuple[int, Integers, Floats]]:
    """Yield image id, (N,) indices of its entries and their (N, G) OKS, for known images.

    Coordinates are not rounded. Entries of another category than the ground truth's people are left
    out, as COCO does.

    Raises:
        DatasetError: all entries are of another category.
    """
    points = keypoint_values(entries, ground_truth.skeleton)[:, :, :2]
    check_category(entries, ground_truth)
    category = ground_truth.category_id
    counts = np.array([entry["category_id"] == category for entry in entries], dtype=bool)
    for image, indices in indices_by_image(entries).items():
        if image in ground_truth.images:
            people = indices[counts[indices]]
            yield image, people, ground_truth.oks(image, points[people])


def _outside(areas: Floats) -> Booleans:
    """Return (A, N) whether each area is out of each range."""
    outside: Booleans = (areas < AREA_RANGES[:, :1]) | (areas > AREA_RANGES[:, 1:])
    return outside


def _pose_areas(ground_truth: GroundTruth, entries: Sequence[Entry]) -> Floats:
    """Return (N,) areas in square pixels by the rule of pycocotools' `loadRes`.

    Of the boxes if the first entry has one, otherwise of the rectangle around all joints, including
    those at (0, 0).
    """
    points = keypoint_values(entries, ground_truth.skeleton)[:, :, :2]
    areas: Floats = np.prod(points.max(axis=1) - points.min(axis=1), axis=1)
    if entries and entries[0].get("bbox"):
        for index, entry in enumerate(entries):
            if entry.get("bbox"):
                areas[index] = entry["bbox"][2] * entry["bbox"][3]
    return areas


def _join(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the concatenated arrays; an empty array for none."""
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)
