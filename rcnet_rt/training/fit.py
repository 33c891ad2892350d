"""Train weights on one split of labeled results.

The held-out images follow in `training.cross_validation`: every figure in a weights file is of
images that the scoring network was not trained on. With k folds each image is held out once, and
the final network is trained on all images.
"""

from __future__ import annotations

from pathlib import Path

from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.models.rcnet import Network
from rcnet_rt.rescoring.score_convention import ScoreConvention, widest
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.examples import Examples, Training
from rcnet_rt.training.loop import train
from rcnet_rt.training.monitor import OnEpoch, Progress, monitor
from rcnet_rt.training.splits import Split

__all__ = ["Progress", "fit", "network_weights", "run_training", "trained_weights"]


def fit(
    data: LabeledResults,
    recipe: Recipe,
    split: Split,
    *,
    name: str,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: OnEpoch | None = None,
) -> Weights:
    """Train on the training images of a split; return weights without calibration.

    Args:
        data: results with ground truth.
        recipe: settings; what it leaves open is resolved on the training images.
        split: images to train on and to monitor.
        name: of the weights.
        device: as torch spells it.
        checkpoint: file to save after every epoch and to resume from.
        progress: called after every epoch.

    Raises:
        DatasetError: results and ground truth do not belong together, or no pose is correct.
        WeightsError: training diverged, or the checkpoint does not fit.
    """
    examples = Examples({"": data}, recipe, images={*split.training, *split.held_out})
    training = examples.training(split)
    network = run_training(training, device, checkpoint, progress)
    return trained_weights(examples, training, network, name)


def run_training(
    training: Training, device: str, checkpoint: Path | None, progress: OnEpoch | None
) -> Network:
    """Train a network on a split; see `fit`."""
    on_epoch = None if progress is None else monitor(training.split, training.held_out, progress)
    return train(
        training.recipe,
        training.examples,
        device=device,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )


def trained_weights(examples: Examples, training: Training, network: Network, name: str) -> Weights:
    """Return the weights of a trained network, without calibration."""
    results = list(examples.estimators.values())
    conventions = [
        ScoreConvention.of([item.poses for item in data.poses.values()]) for data in results
    ]
    return network_weights(
        network,
        training.recipe,
        name=name,
        skeleton=results[0].ground_truth.skeleton.name,
        score_convention=widest(conventions),
        score_range=(
            min(float(data.scores.min()) for data in results),
            max(float(data.scores.max()) for data in results),
        ),
        baseline_scale=training.baseline_scale,
        embedding_size=examples.embedding_size,
    )


def network_weights(
    network: Network,
    recipe: Recipe,
    *,
    name: str,
    skeleton: str,
    score_convention: ScoreConvention,
    score_range: tuple[float, float],
    baseline_scale: float = 1.0,
    embedding_size: int = 0,
) -> Weights:
    """Return a network as weights, without calibration; the recipe has baseline and floor."""
    assert recipe.floor is not None
    return Weights(
        name=name,
        baseline=recipe.baseline,
        baseline_scale=baseline_scale,
        skeleton=skeleton,
        features=recipe.features,
        embedding_size=embedding_size,
        network=network.config,
        tensors={key: t.cpu().numpy().copy() for key, t in network.state_dict().items()},
        floor=recipe.floor,
        family=name,
        score_convention=str(score_convention),
        score_range=score_range,
    )
