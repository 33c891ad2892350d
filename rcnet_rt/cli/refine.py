"""`rcnet-rt refine`: a file of poses in, the same file with better scores out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import click
import numpy as np
import numpy.typing as npt

from rcnet_rt.cli.options import debug_option, weights_option
from rcnet_rt.datasets.pose_files import is_results, read_pose_file
from rcnet_rt.datasets.results import (
    BODY_FIRST,
    Entry,
    check_finite,
    keypoint_values,
    poses_by_image,
)
from rcnet_rt.datasets.results_stream import open_results
from rcnet_rt.errors import WeightsError
from rcnet_rt.files.writing import check_output_file, is_special
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.refiner import OnError, Refiner
from rcnet_rt.rescoring.score_convention import ScoreConvention, check_convention
from rcnet_rt.rescoring.score_reference import ScoreReference
from rcnet_rt.rescoring.weights import Weights

__all__ = ["load_refiner", "refine", "refine_images", "rescore"]


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write, gzipped if its name ends in .gz. It may be RESULTS itself (not a folder): "
    "it is written whole or not at all.",
)
@weights_option
@click.option(
    "--on-error",
    type=click.Choice(get_args(OnError)),
    default="raise",
    show_default=True,
    help="What to do with a pose whose numbers are not finite: fail, give it its raw score brought "
    "into [0, 1] (NaN: 0), or give it 0. Where people must be avoided, raw is the safe choice.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option("--backend", default="auto", show_default=True, help="What runs the refiner.")
@debug_option
def refine(
    results: Path, out: Path, weights: str, on_error: OnError, device: str, backend: str
) -> None:
    """Re-score a file of poses: COCO results of any tool, JSON Lines, or an OpenPose folder.

    The same entries in the same order with only `score` changed: fields that are not known stay,
    and numbers stay to the bit. Nothing else is needed, no images and no annotations. Weights for
    any estimator compare its scores over the whole file. OpenPose has no score of a person: it is
    added, to a new folder.
    """
    if not results.is_dir():
        check_output_file(out)
    refiner = load_refiner(weights, device, backend)
    if is_results(results):
        poses, images = rescore_results(results, out, refiner, on_error)
    else:
        file = read_pose_file(results)
        refined = refine_images(file.images, refiner, on_error)
        file.write(out, refined, refiner.weights.threshold("auto"), refiner.weights.name)
        poses, images = sum(map(len, file.images)), len(file.images)
    # Where the output is a pipe it may be this very standard output.
    click.echo(
        f"{poses:,} poses of {images:,} images re-scored with {refiner.weights.name} "
        f"({refiner.backend_name}) -> {out}",
        err=not results.is_dir() and is_special(out),
    )


def rescore_results(
    path: Path, out: Path, refiner: Refiner, on_error: OnError = "raise"
) -> tuple[int, int]:
    """Write COCO results of any size with refined scores; return how many poses and images.

    Raises:
        DatasetError: entries of another number of joints, or with numbers that are not finite.
        WeightsError: the weights are for another skeleton, or another convention of scores.
        OutputError: the file cannot be written.
    """
    choose = partial(_skeleton, weights=refiner.weights)
    with open_results(path, choose, finite=on_error == "raise") as results:
        check_convention(refiner.weights, ScoreConvention.of(results.pooled()), "the results")
        reference = None
        if refiner.weights.uses_reference:
            reference = ScoreReference.of(results.pooled(), count=results.image_count)
        results.write(out, partial(refiner.batch, reference=reference, on_error=on_error))
        return results.pose_count, results.image_count


def load_refiner(weights: str, device: str, backend: str) -> Refiner:
    """Load what --weights names.

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


def rescore(
    entries: Sequence[Entry], refiner: Refiner, on_error: OnError = "raise"
) -> npt.NDArray[np.float64]:
    """Return the (N,) refined scores of a results file's entries, in [0, 1].

    Raises:
        DatasetError: entries of another number of joints, or with numbers that are not finite.
        WeightsError: the weights are for another skeleton, or another convention of scores.
    """
    skeleton = _skeleton(entries, refiner.weights)
    if on_error == "raise":
        check_finite(entries, keypoint_values(entries, skeleton))
    images = list(poses_by_image(entries, skeleton, finite_scores=False).values())
    scores = np.zeros(len(entries))
    refined = refine_images([image.poses for image in images], refiner, on_error)
    for image, poses in zip(images, refined, strict=True):
        scores[image.entries] = poses.scores
    return scores


def refine_images(
    images: Sequence[Poses], refiner: Refiner, on_error: OnError = "raise"
) -> list[Poses]:
    """Refine all poses that an estimator gave, their scores compared over all images if it helps.

    Raises:
        PosesError: poses of another number of joints, or with numbers that are not finite.
        WeightsError: the weights are for another convention of scores.
    """
    check_convention(refiner.weights, ScoreConvention.of(images), "the results")
    reference = ScoreReference.of(images) if refiner.weights.uses_reference else None
    return refiner.batch(images, reference=reference, on_error=on_error)


def _skeleton(entries: Sequence[Entry], weights: Weights) -> Skeleton:
    """Return what the results' keypoints are; baselines take any known skeleton."""
    expected = skeletons.get(weights.skeleton or skeletons.COCO17.name)
    count = len(entries[0]["keypoints"]) if entries else 3 * len(expected.keypoints)
    if count / 3 in BODY_FIRST:
        count = 3 * len(skeletons.COCO17.keypoints)
    fitting = skeletons.with_keypoints(count / 3)
    if expected in fitting or not fitting:  # what fits nothing known is refused on reading
        return expected
    if weights.skeleton is None:
        return fitting[0]
    raise WeightsError(
        f"weights {weights.name!r} are for the {len(expected.keypoints)} keypoints of "
        f"{expected.name}, and the results have the {count // 3} of {fitting[0].name}; give "
        "--weights that are made for it, or formula:NAME"
    )
