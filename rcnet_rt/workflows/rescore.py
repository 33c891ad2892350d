"""A file of poses in, the same file with refined scores out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.pose_files import is_recording, is_results, read_pose_file
from rcnet_rt.datasets.recording import open_recording
from rcnet_rt.datasets.results import (
    BODY_FIRST,
    Entry,
    ImagePoses,
    check_finite,
    keypoint_values,
    poses_by_image,
)
from rcnet_rt.datasets.results_stream import open_results
from rcnet_rt.errors import WeightsError
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.refiner import OnError, Refiner
from rcnet_rt.rescoring.score_convention import ScoreConvention, check_convention
from rcnet_rt.rescoring.score_reference import ScoreReference
from rcnet_rt.rescoring.weights import Weights

__all__ = [
    "RescoredFile",
    "load_refiner",
    "refine_entries",
    "rescore",
    "rescore_entries",
    "rescore_images",
    "scores_of_images",
]


@dataclass(frozen=True)
class RescoredFile:
    """What was written.

    Attributes:
        path: the file or folder.
        images: how many images it has.
        poses: how many poses.
        weights: name of the weights that refined the scores.
        backend: name of what ran them.
    """

    path: Path
    images: int
    poses: int
    weights: str
    backend: str


def rescore(
    results: str | PathLike[str],
    out: str | PathLike[str],
    weights: str | Weights = "auto",
    *,
    joint_confidence: bool = False,
    on_error: OnError = "raise",
    device: str = "auto",
    backend: str = "auto",
) -> RescoredFile:
    """Write a file of poses again with refined scores, whole or not at all.

    COCO results keep their entries and their order; only `score` changes. Weights for any estimator
    compare the scores over the whole file.

    Args:
        results: COCO results of any tool or JSON Lines, plain or gzipped; or an OpenPose folder.
        out: file to write, gzipped if its name ends in .gz; may be `results` itself. A new folder
            for OpenPose.
        weights: as for `Refiner`.
        joint_confidence: add `joint_confidence` and `joint_covariance` to each pose; in an OpenPose
            folder the calibrated confidence replaces c. Needs weights with a joint head.
        on_error: what a pose gets whose numbers are not finite, see `Refiner.refine`.
        device: "auto", "cpu", "cuda", …
        backend: as for `Refiner`.

    Raises:
        DatasetError: a damaged file, or numbers that are not finite.
        WeightsError: unknown or damaged weights, made for another skeleton or other scores, or
            without the joint head that is asked for.
        BackendError: a backend that is unknown or does not suit the device.
        OutputError: `out` cannot be written.
    """
    results, out = Path(results), Path(out)
    if not results.is_dir():
        check_output_file(out)
    refiner = load_refiner(weights, device, backend)
    finish = _check_joint_estimates if joint_confidence else _without_joint_estimates
    if is_results(results):
        images, poses = _rescore_results(results, out, refiner, on_error, finish)
    elif is_recording(results):
        images, poses = _rescore_recording(results, out, refiner, on_error, finish)
    else:
        file = read_pose_file(results)
        plain = [_without_joint_estimates(poses) for poses in file.images]
        refined = [finish(poses) for poses in rescore_images(plain, refiner, on_error)]
        file.write(out, refined, refiner.weights.threshold("auto"), refiner.weights.name)
        images, poses = len(file.images), sum(map(len, file.images))
    return RescoredFile(out, images, poses, refiner.weights.name, refiner.backend_name)


def _without_joint_estimates(poses: Poses) -> Poses:
    if poses.joint_confidence is None and poses.joint_covariance is None:
        return poses
    return replace(poses, joint_confidence=None, joint_covariance=None)


def _check_joint_estimates(poses: Poses) -> Poses:
    """Return poses that have joint estimates.

    Raises:
        WeightsError: they have none.
    """
    if poses.joint_confidence is None and len(poses):
        raise WeightsError(
            "these weights have no joint head, so joints have no calibrated confidence; choose "
            "weights with one, or leave the joint confidence out"
        )
    return poses


def _rescore_results(
    path: Path, out: Path, refiner: Refiner, on_error: OnError, finish: Callable[[Poses], Poses]
) -> tuple[int, int]:
    """Write COCO results of any size with refined scores; return how many images and poses."""
    choose = partial(_skeleton, weights=refiner.weights)
    with open_results(path, choose, finite=on_error == "raise") as results:
        check_convention(refiner.weights, ScoreConvention.of(results.pooled()), "the results")
        reference = None
        if refiner.weights.uses_reference:
            reference = ScoreReference.of(results.pooled(), count=results.image_count)

        def refine(images: list[Poses]) -> list[Poses]:
            refined = refiner.batch(images, reference=reference, on_error=on_error)
            return [finish(poses) for poses in refined]

        results.write(out, refine)
        return results.image_count, results.pose_count


def _rescore_recording(
    path: Path, out: Path, refiner: Refiner, on_error: OnError, finish: Callable[[Poses], Poses]
) -> tuple[int, int]:
    """Write a recording of any length with refined scores; return how many frames and poses."""
    recording = open_recording(path)
    check_convention(refiner.weights, recording.score_convention, "the results")
    reference = None
    if refiner.weights.uses_reference:
        reference = ScoreReference.of(recording.pooled(), count=recording.image_count)

    def refine(images: Iterator[Poses]) -> Iterator[Poses]:
        plain = map(_without_joint_estimates, images)
        return map(finish, refiner.stream(plain, reference=reference, on_error=on_error))

    threshold = refiner.weights.threshold("auto")
    recording.write(out, refine, threshold=threshold, weights=refiner.weights.name)
    return recording.image_count, recording.pose_count


def load_refiner(weights: str | Weights, device: str = "auto", backend: str = "auto") -> Refiner:
    """Return a refiner; "none", which leaves scores as they are, is refused.

    Raises:
        WeightsError: unknown or damaged weights, or none.
        BackendError: a backend that is unknown or does not suit the device.
    """
    if weights == "none":
        raise WeightsError(
            "weights none would leave every score as it is; give a name, a .safetensors file, or "
            "formula:score for the estimator's own score"
        )
    return Refiner(weights, device=device, backend=backend)


def rescore_entries(
    entries: Sequence[Entry], refiner: Refiner, on_error: OnError = "raise"
) -> npt.NDArray[np.float64]:
    """Return the (N,) refined scores of a results file's entries, in [0, 1].

    Raises:
        DatasetError: entries of another number of joints, or with numbers that are not finite.
        WeightsError: the weights are for another skeleton, or another convention of scores.
    """
    return scores_of_images(refine_entries(entries, refiner, on_error))


def refine_entries(
    entries: Sequence[Entry], refiner: Refiner, on_error: OnError = "raise"
) -> list[ImagePoses]:
    """Return the refined poses of each image of a results file's entries.

    Raises:
        DatasetError, WeightsError: as `rescore_entries`.
    """
    skeleton = _skeleton(entries, refiner.weights)
    if on_error == "raise":
        check_finite(entries, keypoint_values(entries, skeleton))
    images = list(poses_by_image(entries, skeleton, finite_scores=False).values())
    refined = rescore_images([image.poses for image in images], refiner, on_error)
    return [replace(image, poses=poses) for image, poses in zip(images, refined, strict=True)]


def scores_of_images(images: Sequence[ImagePoses]) -> npt.NDArray[np.float64]:
    """Return the (N,) scores of all entries of a results file."""
    scores = np.zeros(sum(len(image.entries) for image in images))
    for image in images:
        scores[image.entries] = image.poses.scores
    return scores


def rescore_images(
    images: Sequence[Poses], refiner: Refiner, on_error: OnError = "raise"
) -> list[Poses]:
    """Refine all poses of an estimator; weights that use a reference get all of its scores.

    Raises:
        PosesError: poses of another number of joints, or with numbers that are not finite.
        WeightsError: the weights are for another convention of scores.
    """
    check_convention(refiner.weights, ScoreConvention.of(images), "the results")
    reference = ScoreReference.of(images) if refiner.weights.uses_reference else None
    return refiner.batch(images, reference=reference, on_error=on_error)


def _skeleton(entries: Sequence[Entry], weights: Weights) -> Skeleton:
    """Return the skeleton of the results' keypoints; baselines take any that is known."""
    expected = skeletons.get(weights.skeleton or skeletons.COCO17.name)
    count = len(entries[0]["keypoints"]) if entries else 3 * len(expected.keypoints)
    if count / 3 in BODY_FIRST:
        count = 3 * len(skeletons.COCO17.keypoints)
    fitting = skeletons.with_keypoints(count / 3)
    if expected in fitting or not fitting:  # an unknown number is refused on reading
        return expected
    if weights.skeleton is None:
        return fitting[0]
    raise WeightsError(
        f"weights {weights.name!r} are for the {len(expected.keypoints)} keypoints of "
        f"{expected.name}, and the results have the {count // 3} of {fitting[0].name}; give "
        f"weights for {fitting[0].name}, which `rcnet-rt train` makes, or --weights formula:score "
        "for the raw score"
    )
