"""Train weights without labels: what is learned is which poses are found again.

The target of a pose is its raw score × its self-consistency. The network is linear, since a larger
one would learn the noise of such targets. Figures: `benchmarks/studies/adaptation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.augment import AugmentedPoses
from rcnet_rt.datasets.ids import ImageId
from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.mirror import mirror
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import calibration
from rcnet_rt.rescoring.batch import poses_to_batch
from rcnet_rt.rescoring.score_convention import (
    PRODUCT,
    TELLING_SCORE,
    UNIT,
    UNIT_JOINTS,
    ScoreConvention,
)
from rcnet_rt.rescoring.weights import DEFAULT_FLOOR, Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import PoseTable, highest_scores, ranking_set
from rcnet_rt.training.fit import network_weights
from rcnet_rt.training.loop import score, train
from rcnet_rt.training.self_consistency import self_consistency
from rcnet_rt.version import __version__

__all__ = [
    "ENOUGH_IMAGES",
    "MIN_IMAGES",
    "PoseTargets",
    "adapt_weights",
    "card",
    "consistency_targets",
    "fit_targets",
]

Id = TypeVar("Id", bound=ImageId)
Floats = npt.NDArray[np.float64]

RECIPE = Recipe(architecture="linear", loss="rank", floor=DEFAULT_FLOOR)
MIN_IMAGES, ENOUGH_IMAGES = 50, 400  # below the latter one of four estimators gained nothing
NO_LABELS = "none"  # what the metadata says of labels


@dataclass(frozen=True, eq=False)
class PoseTargets:
    """The poses of an image with what is to be learned.

    Attributes:
        poses: of the image, whose size they know.
        targets: (N,) what the scores are to be ordered by, in [0, 1].
        expected_oks: (N,) what the scores are calibrated against, in [0, 1].
        weights: (N,) in [0, 1].
    """

    poses: ImagePoses
    targets: Floats
    expected_oks: Floats
    weights: Floats


def adapt_weights(
    poses: Mapping[Id, ImagePoses],
    augmentations: Mapping[Id, Sequence[AugmentedPoses]],
    skeleton: Skeleton,
    *,
    name: str,
) -> Weights:
    """Train weights on an estimator's poses of images and of augmentations of these images.

    The order of the scores is learned. Their value is calibrated on self-consistency × √raw score,
    which is close to the expected OKS for the estimators that were measured, and the threshold
    "auto" is that of the highest F1 expected by it; both without a guarantee.

    Args:
        poses: by image; images without augmentations are left out.
        augmentations: the poses on each augmentation, by image.
        skeleton: of the poses.
        name: of the weights.

    Raises:
        DatasetError: fewer than `MIN_IMAGES` images with poses and augmentations, scores beyond
            [0, 1] or of a kind for which adaptation does not help, or no pose is found again.
        WeightsError: the training diverged.
    """
    images = consistency_targets(poses, augmentations, skeleton)
    convention = _checked_convention(images)
    weights = fit_targets(images, skeleton, name=name, baseline=_baseline(convention))
    record = {
        "version": __version__,
        "labels": NO_LABELS,
        "recipe": asdict(replace(RECIPE, baseline=weights.baseline)),
        "image_count": len(images),
        "pose_count": sum(len(_kept(item, RECIPE)) for item in images),
    }
    return replace(weights, thresholds={"auto": _threshold(images, weights)}, training=record)


def consistency_targets(
    poses: Mapping[Id, ImagePoses],
    augmentations: Mapping[Id, Sequence[AugmentedPoses]],
    skeleton: Skeleton,
) -> list[PoseTargets]:
    """Return the targets of the images with poses and augmentations.

    A pose that no augmentation shows has weight 0.
    """
    found = []
    for image, item in poses.items():
        if not len(item.poses) or not augmentations.get(image):
            continue
        consistency = self_consistency(item.poses, augmentations[image], skeleton.sigmas)
        raw = item.poses.scores.astype(np.float64).clip(0, 1)
        shown = (consistency.augmentations > 0).astype(np.float64)
        found.append(
            PoseTargets(item, raw * consistency.oks, np.sqrt(raw) * consistency.oks, shown)
        )
    return found


def fit_targets(
    images: Sequence[PoseTargets], skeleton: Skeleton, *, name: str, baseline: str
) -> Weights:
    """Train a linear network on targets, whatever they are from; return calibrated weights.

    Raises:
        WeightsError: fewer than two poses, or the training diverged.
    """
    recipe = replace(RECIPE, baseline=baseline)
    table = _table(images, skeleton, recipe)
    data = ranking_set(table, skeleton, recipe.features, baseline, 1.0)
    network = train(recipe, data)
    poses = [item.poses.poses for item in images]
    raw = np.concatenate([some.scores for some in poses])
    weights = network_weights(
        network,
        recipe,
        name=name,
        skeleton=skeleton.name,
        score_convention=ScoreConvention.of(poses),
        score_range=(float(raw.min()), float(raw.max())),
    )
    kept = [_kept(item, recipe) for item in images]
    expected = np.concatenate([item.expected_oks[k] for item, k in zip(images, kept, strict=True)])
    learned = calibration.fit(score(network, data), expected, data.weights)
    return replace(weights, calibration=learned)


def _kept(item: PoseTargets, recipe: Recipe) -> npt.NDArray[np.int64]:
    """Return which poses of an image are trained on."""
    assert recipe.floor is not None
    return highest_scores(item.poses.poses.scores, recipe.floor, recipe.max_poses)


def _table(images: Sequence[PoseTargets], skeleton: Skeleton, recipe: Recipe) -> PoseTable:
    """Return the poses that are trained on, with the targets in the place of the OKS."""
    result = PoseTable([], [], np.arange(len(images)), [], [], [], np.zeros(len(images), bool))
    for item in images:
        kept = _kept(item, recipe)
        poses = item.poses.poses[kept]
        assert poses.image_size is not None
        result.batches.append(poses_to_batch(poses))
        result.mirrored.append(poses_to_batch(mirror(poses, skeleton, poses.image_size[0])))
        result.entries.append(item.poses.entries[kept])
        result.oks.append(item.targets[kept])
        result.weights.append(item.weights[kept])
    return result


def _checked_convention(images: Sequence[PoseTargets]) -> ScoreConvention:
    """Return the meaning of the raw scores.

    Raises:
        DatasetError: they cannot be learned from without labels.
    """
    if len(images) < MIN_IMAGES:
        raise DatasetError(
            f"adaptation without labels needs at least {MIN_IMAGES} images with poses and with "
            f"augmentations of the same images, got {len(images)}; give more images"
        )
    convention = ScoreConvention.of([item.poses.poses for item in images])
    if convention.poses != UNIT:
        raise DatasetError(
            f"adaptation without labels expects raw scores in [0, 1], got scores {convention.poses}"
            "; use the weights `generic`, or train on labels with `rcnet-rt train`"
        )
    if convention.relation == PRODUCT and not _is_mean_joint_score(images):
        raise DatasetError(
            "the raw scores are below the mean joint score, like box score × mean joint score of a "
            "top-down estimator, for which adaptation without labels did not gain where it was "
            "measured; use shipped weights, or train on labels with `rcnet-rt train`"
        )
    if not any(
        (item.weights[kept] * item.targets[kept] > 0).any()
        for item in images
        for kept in [_kept(item, RECIPE)]
    ):
        raise DatasetError(
            "no pose is found again on any augmentation, so there is nothing to learn; check that "
            "the augmentations are of the same estimator and of the same images"
        )
    return convention


def _is_mean_joint_score(images: Sequence[PoseTargets]) -> bool:
    """Return whether most raw scores from 0.3 are the mean joint score, as a bottom-up estimator's.

    Of the estimators that were measured 85 % are (PoseNet), or none (three top-down ones).
    """
    equal = total = 0
    for item in images:
        poses = item.poses.poses
        assert poses.keypoint_scores is not None
        mean = np.where(poses.found, poses.keypoint_scores, 0).sum(axis=1)
        mean /= np.maximum(poses.found.sum(axis=1), 1)
        high = poses.scores >= TELLING_SCORE
        equal += int((poses.scores[high] >= 0.999 * mean[high]).sum())
        total += int(high.sum())
    return 2 * equal > total


def _baseline(convention: ScoreConvention) -> str:
    """Return the baseline; which is best cannot be measured without labels.

    A detector's score and the joint scores are evidence of their own, so that their product is the
    better one where both are there. A mean of joint scores has them already.
    """
    both = convention.joints == UNIT_JOINTS and convention.relation != PRODUCT
    return "score_times_confidence" if both else "score"


def _threshold(images: Sequence[PoseTargets], weights: Weights) -> float:
    """Return the threshold of the highest F1 where each pose is right with its expected OKS."""
    refined = Refiner(weights, backend="torch").batch([item.poses.poses for item in images])
    scores = np.concatenate([poses.scores for poses in refined])
    raw = np.concatenate([item.poses.poses.scores for item in images])
    expected = np.concatenate([item.expected_oks for item in images])
    counted = (np.concatenate([item.weights for item in images]) > 0) & (raw >= weights.floor)
    order = np.flatnonzero(counted)[np.argsort(-scores[counted], kind="stable")]
    right = expected[order]
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(order) + 1) + right.sum())
    return float(scores[order[f1.argmax()]])


def card(weights: Weights) -> str:
    """Return the model card of weights that were trained without labels, in Markdown."""
    training: Mapping[str, Any] = weights.training
    network = weights.network_config()
    return "\n".join(
        [
            f"# {weights.name}",
            "",
            "Trained **without labels**: on how well poses are found again on augmentations of "
            "their images. The order of the scores is learned. Their value is calibrated on this "
            "self-consistency, not on labels, and so are the thresholds: no precision is "
            "promised, and nothing here says what is gained; `rcnet-rt eval` does, on labeled "
            "images.",
            "",
            "| | |",
            "| --- | --- |",
            f"| labels | {training['labels']} |",
            f"| trained on | {training['image_count']} images with {training['pose_count']} poses, "
            f"{', '.join(training['data'])} |",
            f"| skeleton | {weights.skeleton} |",
            f"| raw scores | {weights.score_convention} |",
            f"| baseline | `{weights.baseline}` |",
            f"| features | `{weights.features}`, {network.feature_count} |",
            "| network | linear, without attention between poses |",
            f"| floor | raw scores below {weights.floor:g} are not re-scored |",
            f"| threshold `auto` | {weights.thresholds['auto']:.3f} |",
            f"| seed, version | {training['recipe']['seed']}, rcnet-rt {training['version']} |",
            "",
        ]
    )
