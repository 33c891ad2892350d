"""Train a joint head for weights whose score is trained already; the score does not change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring.joint_head import COVERED, OUTPUTS, JointHead, head_outputs, head_shapes
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.joint_calibration import calibrated_tensors, fit_joint_calibration
from rcnet_rt.training.joint_examples import JointExamples, join_examples, joint_examples
from rcnet_rt.training.joint_loss import coverage_loss, joint_loss
from rcnet_rt.training.splits import Split, fold_splits

__all__ = ["JointRecipe", "TrainedHeads", "train_heads"]

Tensors = dict[str, npt.NDArray[np.float32]]
FIRST_LOG_VARIANCE = -6.0  # before training; a tenth of the pose's size at 90 %
MAX_ERROR = 3.0  # in shares of the pose's size; errors beyond are as good as this


@dataclass(frozen=True)
class JointRecipe:
    """All settings of the training of a joint head.

    Attributes:
        width: of the two hidden layers.
        epochs: passes over the poses.
        poses_per_step: size of a batch.
        learning_rate: the highest; it rises and falls once (one-cycle).
        weight_decay: of AdamW.
        coverage_epochs: further passes, with `joint_loss.coverage_loss` added.
        coverage_poses_per_step: size of their batches: shares need many joints.
        coverage_learning_rate: their highest.
        folds: parts that the head is calibrated on, where the score has a single one.
        seed: of initialisation and order.
    """

    width: int = 64
    epochs: int = 30
    poses_per_step: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    coverage_epochs: int = 6
    coverage_poses_per_step: int = 512
    coverage_learning_rate: float = 1e-3
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TrainedHeads:
    """Joint heads of one training.

    Attributes:
        head: trained on all images, calibrated on outputs for images not trained on.
        held_out: splits of the images, with weights whose network and head saw none that they hold
            out, nor were calibrated on it.
    """

    head: JointHead
    held_out: list[tuple[Split, Weights]]


def train_heads(
    estimators: Mapping[str, LabeledResults],
    parts: Sequence[tuple[Split, Weights]],
    weights: Weights,
    recipe: JointRecipe,
    left_out: Collection[str] = (),
) -> TrainedHeads:
    """Train a joint head on the images that the score's splits hold out.

    Args:
        estimators: results by name.
        parts: splits of the score's training with the weights that were trained on them.
        weights: those that get the head; calibration, features and floor are theirs.
        recipe: of the head.
        left_out: names of estimators that are not trained on.
    """
    scored = [(split, _scoring(weights, part)) for split, part in parts]
    results = [data for name, data in sorted(estimators.items()) if name not in left_out]
    examples = join_examples(
        [joint_examples(data, scored, number, hide=True) for number, data in enumerate(results)]
    )
    held_out = _folds(scored, recipe)
    heads: list[Tensors] = []
    outputs = np.zeros((len(examples), len(OUTPUTS), examples.found.shape[1]), np.float32)
    tested = []
    for split, _ in held_out:
        unseen = np.isin(examples.images, split.held_out)
        heads.append(_train(examples[~unseen], recipe))
        outputs[unseen] = _outputs(heads[-1], examples.features[unseen])
        tested.append(unseen)
    final = _calibrated(_train(examples, recipe), outputs, examples, examples.as_given)
    return TrainedHeads(
        final,
        [
            (split, replace(part, joints=_calibrated(head, outputs, examples, rows)))
            for (split, part), head, unseen in zip(held_out, heads, tested, strict=True)
            for rows in [examples.as_given & ~unseen]
        ],
    )


def _scoring(weights: Weights, part: Weights) -> Weights:
    """Return the weights with the network, and the scale of its baseline, of a part."""
    return replace(weights, tensors=part.tensors, baseline_scale=part.baseline_scale, joints=None)


def _folds(
    scored: Sequence[tuple[Split, Weights]], recipe: JointRecipe
) -> list[tuple[Split, Weights]]:
    """Return the splits of the score, or, of a single one, splits of what it holds out."""
    if len(scored) > 1:
        return list(scored)
    ((split, weights),) = scored
    return [(part, weights) for part in fold_splits(split.held_out, recipe.folds, recipe.seed)]


def _calibrated(
    tensors: Tensors,
    outputs: npt.NDArray[np.float32],
    examples: JointExamples,
    rows: npt.NDArray[np.bool_],
) -> JointHead:
    calibration = fit_joint_calibration(outputs[rows], examples[rows])
    return JointHead(calibrated_tensors(tensors, calibration))


def _outputs(tensors: Tensors, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(head_outputs(tensors, features), np.float32)


def _train(examples: JointExamples, recipe: JointRecipe) -> Tensors:
    """Return the tensors of a head, without calibration."""
    torch.manual_seed(recipe.seed)
    tensors = _initial(examples, recipe.width)
    columns = [examples.found, examples.right, np.nan_to_num(examples.errors), examples.judged]
    columns += [examples.occluded, examples.weights]
    rest = [torch.tensor(column.astype(np.float32)) for column in columns]
    rest[2] = rest[2].clip(-MAX_ERROR, MAX_ERROR)
    features = torch.tensor(examples.features)
    estimators = F.one_hot(torch.tensor(examples.estimators)).float()

    def loss(index: Tensor) -> Tensor:
        return joint_loss(head_outputs(tensors, features[index]), *(each[index] for each in rest))

    def loss_with_coverage(index: Tensor) -> Tensor:
        outputs = head_outputs(tensors, features[index])
        given = [column[index] for column in rest]
        _, _, errors, judged, occluded, _ = given
        coverage = coverage_loss(outputs, errors, judged, occluded, estimators[index])
        return joint_loss(outputs, *given) + coverage

    _fit(tensors, loss, recipe, len(examples))
    last = replace(
        recipe,
        epochs=recipe.coverage_epochs,
        poses_per_step=recipe.coverage_poses_per_step,
        learning_rate=recipe.coverage_learning_rate,
    )
    _fit(tensors, loss_with_coverage, last, len(examples))
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def _fit(
    tensors: Mapping[str, Tensor], loss: Callable[[Tensor], Tensor], recipe: JointRecipe, poses: int
) -> None:
    """Change the tensors for a lower loss of the poses whose numbers it is given."""
    random = np.random.default_rng(recipe.seed)
    batches = max(poses // recipe.poses_per_step, 1)
    optimizer = torch.optim.AdamW(
        tensors.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * batches + 1
    )
    for _ in range(recipe.epochs):
        for rows in np.array_split(random.permutation(poses), batches):
            value = loss(torch.from_numpy(rows))
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def _initial(examples: JointExamples, width: int) -> dict[str, Tensor]:
    """Return random parameters, and as output what suits a joint of which nothing is known."""
    joints, own = examples.found.shape[1], examples.features.shape[1]
    tensors: dict[str, Tensor] = {}
    for name, shape in head_shapes(own - (3 * joints + 3), joints, width).items():
        tensor = torch.zeros(shape)
        if len(shape) == 2:
            spread = 0.02 if name == "output.weight" else shape[1] ** -0.5
            tensor = torch.randn(shape) * spread
        tensors[name] = tensor
    variance = slice(joints, 2 * joints)
    tensors["output.bias"][variance] = FIRST_LOG_VARIANCE - float(np.log(COVERED))
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}
