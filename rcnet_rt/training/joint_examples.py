"""What a joint head learns from: the joints of matched poses, with scores of unseen images.

The refined score is among the features. A network is surer of images that it was trained on, and a
head that saw such scores would trust them too much: so each image is scored by the network of the
split that held it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.evaluation.joints import MATCHED, joint_truth
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.models import rcnet
from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.poses.oks import Match
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.inputs import MAX_POSES_IN_PACK, join, packs, with_floor
from rcnet_rt.rescoring.rescore import JointInputs, joint_inputs
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.dataset import MIN_MATCH
from rcnet_rt.training.splits import Split

__all__ = ["JointExamples", "joint_examples", "join_examples"]

Floats = npt.NDArray[np.float32]
Booleans = npt.NDArray[np.bool_]
UNMATCHED_WEIGHT = 0.3  # on images whose annotations are incomplete, as `Recipe.unmatched_weight`


@dataclass(frozen=True, eq=False)
class JointExamples:
    """P poses with K joints each.

    Attributes:
        features: (P, 3K + 3 + D) as `joint_head.head_outputs` takes them.
        found: (P, K) whether the estimator gives the joint.
        right: (P, K) whether its keypoint similarity with the matched person is at least 0.5.
        errors: (P, K, 2) from the annotated joint to the found one, in shares of the pose's size;
            NaN unless `judged`.
        judged: (P, K) whether the joint is found, annotated, and of a pose matched at OKS 0.5.
        occluded: (P, K) whether it is annotated as occluded.
        weights: (P,) in [0, 1].
        images: (P,) id of the image.
        as_given: (P,) whether the pose is as the estimator gives it, and not with inputs hidden.
        estimators: (P,) number of the estimator, from 0.
    """

    features: Floats
    found: Booleans
    right: Booleans
    errors: Floats
    judged: Booleans
    occluded: Booleans
    weights: Floats
    images: npt.NDArray[np.int64]
    as_given: Booleans
    estimators: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: Any) -> JointExamples:
        """Return the poses that a mask or indices select."""
        return JointExamples(**{name: array[index] for name, array in vars(self).items()})


def join_examples(parts: Sequence[JointExamples]) -> JointExamples:
    """Return the examples of several estimators as one."""
    return JointExamples(
        **{
            item.name: np.concatenate([getattr(part, item.name) for part in parts])
            for item in fields(JointExamples)
        }
    )


def joint_examples(
    data: LabeledResults, parts: Sequence[tuple[Split, Weights]], number: int = 0, *, hide: bool
) -> JointExamples:
    """Return the held-out poses of some results at or above the floor that count for the OKS.

    Args:
        data: results with ground truth.
        parts: splits with the weights that were trained on them; a joint head is not read.
        number: of the estimator.
        hide: whether each pose follows again with ever fewer inputs, so that a head learns to work
            without; else it is once as the estimator gives it, without recheck.
    """
    found = [
        _examples(data, seen, weights, number, as_given)
        for split, weights in parts
        if (items := [data.poses[image] for image in split.held_out if image in data.poses])
        for as_given, seen in _variants(items, hide)
        if sum(len(item.entries) for item in seen)
    ]
    return join_examples(found)


def _variants(items: Sequence[ImagePoses], hide: bool) -> Iterable[tuple[bool, list[ImagePoses]]]:
    """Yield the poses of the images, and again with inputs hidden."""
    yield True, _without(items, ["agreement"])
    if not hide:
        return
    rechecked = [item for item in items if item.poses.agreement is not None]
    yield False, rechecked
    if any(item.poses.consensus is not None for item in items):
        yield False, _without(items, SIGNALS)
    if any(item.poses.keypoint_scores is not None for item in items):
        yield False, _without(items[::2], ["keypoint_scores", *SIGNALS])


def _without(items: Iterable[ImagePoses], names: Iterable[str]) -> list[ImagePoses]:
    nothing: dict[str, Any] = dict.fromkeys(names)
    return [replace(item, poses=replace(item.poses, **nothing)) for item in items]


def _examples(
    data: LabeledResults,
    items: Sequence[ImagePoses],
    weights: Weights,
    number: int,
    as_given: bool,
) -> JointExamples:
    entries = np.concatenate([item.entries for item in items])
    images = np.repeat([item.image_id for item in items], [len(item.entries) for item in items])
    match = Match(
        data.match.target[entries], data.match.person[entries], data.match.weight[entries]
    )
    poses = [item.poses for item in items]
    keypoints = np.concatenate([some.keypoints for some in poses])
    truth = joint_truth(data.ground_truth, images, keypoints, match)
    given = _inputs(poses, weights, data)
    complete = np.isin(images, list(data.ground_truth.complete)) | (match.target >= MIN_MATCH)
    judged = given.known & truth.annotated & (truth.oks >= MATCHED)[:, None]
    errors = np.where(judged[:, :, None], truth.offset / given.size[:, None, None], np.nan)
    found = JointExamples(
        features=given.features.astype(np.float32),
        found=given.known,
        right=truth.right,
        errors=errors.astype(np.float32),
        judged=judged,
        occluded=truth.occluded,
        weights=(match.weight * np.where(complete, 1.0, UNMATCHED_WEIGHT)).astype(np.float32),
        images=images.astype(np.int64),
        as_given=np.full(len(images), as_given),
        estimators=np.full(len(images), number),
    )
    scores = np.concatenate([some.estimator_scores for some in poses])
    return found[(scores >= weights.floor) & (found.weights > 0)]


def _inputs(poses: Sequence[Poses], weights: Weights, data: LabeledResults) -> JointInputs:
    """Return what a joint head reads of the poses, as NumPy arrays."""
    reference = data.score_reference if weights.uses_reference else None
    network = rcnet.from_weights(weights)

    def scores(features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        found: Tensor = network(features.float(), baseline.float(), image_index.float())
        return found.double()

    parts: list[JointInputs] = []
    with torch.inference_mode():
        for chunk in packs(poses, MAX_POSES_IN_PACK["cpu"]):
            inputs = with_floor(join(chunk, reference), weights.floor)
            tensors = inputs.map(partial(torch.tensor, dtype=torch.float64))
            parts.append(joint_inputs(tensors, weights, scores))
    return JointInputs(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))
