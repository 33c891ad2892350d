"""Networks of the shipped weights `yolo-pose`, each with the images that it has not seen."""

from __future__ import annotations

from pathlib import Path

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.training.examples import Examples
from rcnet_rt.training.fit import run_training, trained_weights
from rcnet_rt.training.parallel import one_thread
from rcnet_rt.training.splits import Split, fold_splits
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.workflows.training_data import estimator_files, load_estimators
from tools.group_weights import GROUPS, WITH_SIGNALS, others_of

__all__ = ["fold_weights"]

GROUP, FOLDS = "yolo-pose", 5


def fold_weights(
    data: Path, dataset: Dataset, signals: Path, augmented: Path, run: Path
) -> list[tuple[Split, Weights]]:
    """Return the networks of a run of `tools.group_weights`, trained further where they are not done.

    They are those that `train` scores held-out images with; nothing is calibrated.
    """
    training = GROUPS[GROUP]
    files = {name: [data / "predictions" / file] for name, file in training.estimators.items()}
    files[WITH_SIGNALS] = [signals, others_of(files[WITH_SIGNALS][0], signals, run)]
    chosen = estimator_files(files, {WITH_SIGNALS: [augmented]}, ())
    results = load_estimators(dataset, chosen)
    examples = Examples(results, training.recipe)
    images = list({image: None for some in results.values() for image in some.poses})
    parts = []
    with one_thread():
        for split in fold_splits(images, FOLDS, training.recipe.seed):
            ready = examples.training(split)
            path = run / GROUP / "checkpoints" / f"{split.name.replace(' ', '-')}.safetensors"
            network = run_training(ready, "cpu", path, None)
            parts.append((split, trained_weights(examples, ready, network, GROUP)))
    return parts
