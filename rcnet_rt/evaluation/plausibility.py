"""Check that results and ground truth belong together, before evaluation and training.

Shuffled image ids, normalized coordinates or another joint order give a low AP without an error.
These checks do not depend on the scores and need only coarse agreement, so that weak estimators
pass. Measured on eleven results files of nine estimators (AP .19 to .54): on 86 to 100 % of the
images a pose reaches OKS 0.3, with shuffled image ids on 1 to 7 %; each joint lies closest to the
annotated joint of its own name, with left and right swapped only the nose does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import GroundTruth, Persons
from rcnet_rt.datasets.results import Entry, indices_by_image, keypoint_values
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["check_match"]

Floats = npt.NDArray[np.float64]

MIN_IMAGES = 5  # fewer images allow no conclusion
MAX_IMAGES = 1000  # more images make the conclusion no surer
FIT_OKS = 0.3
MIN_FIT = 0.2  # share of images on which a pose reaches FIT_OKS
MIN_LOCATED = 0.3  # share of images on which a pose overlaps a person
MIN_PAIRS = 20  # poses that overlap a person; fewer do not show the joint order
MAX_MISPLACED = 2 / 3  # share of joints that lie closest to another joint's annotation
MIN_JOINTS = 4  # fewer joints span no box
MIN_IOU = 0.5
MAX_NORMALIZED = 2.0  # pixels; larger coordinates are not normalized by the image size


def check_match(ground_truth: GroundTruth, entries: Sequence[Entry]) -> None:
    """Check that results fit the ground truth of their images as a pose estimator's do.

    With fewer than five images that have both poses and countable people, only the category is
    checked.

    Raises:
        DatasetError: the results have another category, another joint order, or poses that fit no
            annotation; the message names the likely cause.
    """
    _check_category(ground_truth, entries)
    images = list(_images(ground_truth, entries))
    if len(images) < MIN_IMAGES:
        return
    skeleton = ground_truth.skeleton
    pairs = [_overlapping(poses, people) for poses, people in images]
    located = float(np.mean([len(poses) > 0 for poses, _ in pairs])) >= MIN_LOCATED
    if located:
        poses, people = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        if len(poses) >= MIN_PAIRS:
            _check_joint_order(poses, people, skeleton)
    best = [people.oks(poses, skeleton.sigmas).max() for poses, people in images]
    fit = float(np.mean(np.array(best) >= FIT_OKS))  # NaN, of a NaN area, does not reach it
    if fit < MIN_FIT:
        raise DatasetError(
            f"no pose fits an annotation on {1 - fit:.0%} of the {len(images)} images that were "
            f"compared (OKS below {FIT_OKS}): {_cause(images, located)}"
        )


def _check_category(ground_truth: GroundTruth, entries: Sequence[Entry]) -> None:
    """Check that some results on known images are of the ground truth's category."""
    found = {e["category_id"] for e in entries if e["image_id"] in ground_truth.images}
    if found and ground_truth.category_id not in found:
        raise DatasetError(
            f"the results have category_id {', '.join(sorted(map(repr, found)))}, the people of "
            f"the ground truth have {ground_truth.category_id}; write that id into the results"
        )


def _images(
    ground_truth: GroundTruth, entries: Sequence[Entry]
) -> Iterator[tuple[Floats, Persons]]:
    """Yield (N, K, 2) poses and the countable people of at most `MAX_IMAGES` images with both."""
    category = np.array([entry["category_id"] == ground_truth.category_id for entry in entries])
    found = []
    for image, indices in indices_by_image(entries).items():
        people = ground_truth.persons.get(image)  # type: ignore[arg-type] # ids may be text
        rows = indices[category[indices]]
        if people is not None and len(rows) and not people.ignore.all():
            found.append((rows, people[~people.ignore]))
    step = -(-len(found) // MAX_IMAGES) or 1
    for rows, people in found[::step]:
        values = keypoint_values([entries[row] for row in rows], ground_truth.skeleton)
        yield values[:, :, :2], people


def _overlapping(poses: Floats, people: Persons) -> tuple[Floats, Floats]:
    """Return (M, K, 2) poses and (M, K, 2) annotated joints of the people whom they overlap.

    Matched one to one by the IoU of the boxes around the joints, which no joint order changes; NaN
    for joints that were not found or not labelled.
    """
    found = np.where((poses <= 0).all(axis=2, keepdims=True), np.nan, poses)
    truth = np.where(people.visible[..., None], people.keypoints, np.nan)
    found, truth = (
        points[np.isfinite(points).all(axis=2).sum(axis=1) >= MIN_JOINTS]
        for points in (found, truth)
    )
    if not len(found) or not len(truth):
        return found[:0], truth[:0]
    overlap = _iou(_boxes(found), _boxes(truth))
    rows, columns = [], []
    while overlap.max() >= MIN_IOU:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        rows.append(row)
        columns.append(column)
        overlap[row], overlap[:, column] = -1, -1
    return found[rows], truth[columns]


def _boxes(points: Floats) -> Floats:
    """Return (N, 4) boxes x1, y1, x2, y2 around the joints."""
    return np.concatenate([np.nanmin(points, axis=1), np.nanmax(points, axis=1)], axis=1)


def _iou(first: Floats, second: Floats) -> Floats:
    """Return the (N, M) intersection over union of boxes."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def _check_joint_order(poses: Floats, people: Floats, skeleton: Skeleton) -> None:
    """Check that most joints lie closest to the annotated joint of their own name.

    Args:
        poses: (M, K, 2) poses, NaN for joints that were not found.
        people: (M, K, 2) joints of the person that each pose overlaps, NaN if not labelled.
        skeleton: of both.
    """
    boxes = _boxes(people)
    scale = np.maximum(np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=1), 1.0)
    distance = np.linalg.norm(poses[:, :, None] - people[:, None], axis=3) / scale[:, None, None]
    typical = _median(distance)
    nearest = typical.argmin(axis=1)  # (K,) which annotated joint each joint lies at
    known = np.isfinite(typical).any(axis=1)
    wrong = known & (nearest != np.arange(len(nearest)))
    if wrong.sum() <= MAX_MISPLACED * known.sum():
        return
    names = skeleton.keypoints
    flipped = np.array(skeleton.flip_order)
    if (nearest == flipped)[known].mean() > 0.5:
        raise DatasetError(
            f"the joints of the results are mirrored: {_example(wrong, nearest, names)}; swap left "
            "and right in the results"
        )
    raise DatasetError(
        f"the joints of the results are in another order than {skeleton.name}'s: "
        f"{_example(wrong, nearest, names)}; write them in the order {', '.join(names[:4])}, …"
    )


def _median(values: Floats) -> Floats:
    """Return the median over the first axis without NaN; infinity where there is nothing else."""
    known = np.isfinite(values)
    ordered = np.sort(np.where(known, values, np.inf), axis=0)
    middle = np.maximum(known.sum(axis=0) - 1, 0) // 2  # the lower one of two
    median: Floats = np.take_along_axis(ordered, middle[None], axis=0)[0]
    return median


def _example(wrong: npt.NDArray[np.bool_], nearest: npt.NDArray[Any], names: Sequence[str]) -> str:
    joint = int(np.flatnonzero(wrong)[0])
    return f"joint {joint} ({names[joint]}) mostly lies at the annotated {names[nearest[joint]]}"


def _cause(images: Sequence[tuple[Floats, Persons]], located: bool) -> str:
    """Return the likely cause of poses that fit no annotation, with what to do."""
    poses = np.concatenate([poses.reshape(-1, 2) for poses, _ in images])
    joints = np.concatenate([people.keypoints[people.visible] for _, people in images])
    for name, points in (("results", poses), ("ground truth", joints)):
        if np.nanquantile(np.abs(points), 0.99) <= MAX_NORMALIZED:
            return f"the coordinates of the {name} look normalized; multiply by the image size"
    areas = np.concatenate([people.areas for _, people in images])
    if located:
        return (
            "the poses lie on the annotated people, so check the areas of the annotations (median "
            f"{np.nanmedian(areas) if np.isfinite(areas).any() else np.nan:g}; expected square "
            "pixels)"
        )
    return (
        "another data set with the same image ids, shuffled ids, or another unit? Coordinates must "
        "be pixels of the original images"
    )
