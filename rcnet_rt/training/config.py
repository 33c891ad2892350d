"""The training configuration: a frozen `Recipe`, and the two presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring.network_config import Architecture, Output
from rcnet_rt.training.dataset import Target

__all__ = ["PRESETS", "Recipe"]

EPOCHS, MAX_EPOCHS = 20, 40
MIN_STEPS = 120  # 50 images are 3 steps an epoch: 20 epochs of them would end in the warm-up


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run.

    Attributes:
        architecture: see `NetworkConfig`, as for output, feedforward, dropout and input_dropout.
        features: name of the feature set.
        without: groups of features that the network does not read, see `rescoring.feature_groups`.
        baseline: name of the baseline; "auto" is that with the highest AP on the training images.
        target: "oks" (matched OKS) or "share" (share of COCO's ten OKS thresholds reached).
        loss: name of the loss, see `training.losses`.
        margin: of the rank loss, in [0, 1].
        positive: matched OKS in (0, 1] from which a pose is positive, for losses with classes.
        hidden: width; None is 16 for attention (as in the paper), 128 for the MLP.
        epochs: passes over the training images; None is 20, and with few poses as many more as
            `MIN_STEPS` steps take, up to 40.
        poses_per_step: whole images are packed into batches of about this many poses.
        shortcut: see `NetworkConfig`.
        learning_rate: constant after the warm-up.
        linear_learning_rate: the same for parameters linear in the features: the shortcut, or the
            whole linear network.
        warmup_steps: steps over which the learning rates rise linearly from 0.
        weight_decay: of AdamW.
        average: decay of the exponential moving average of the weights; 0 keeps the last weights.
        flip: whether a random half of the images is mirrored in each epoch.
        floor: poses with lower raw scores are not trained on; None is 0.05 for scores in [0, 1],
            else 0.
        max_poses: poses trained on per image, those with the highest raw scores.
        unmatched_weight: weight in [0, 1] of unmatched poses on incompletely annotated images.
        seed: of initialization, image order, mirroring and dropout.
    """

    architecture: Architecture = "attention"
    output: Output = "residual"
    features: str = "full"
    without: tuple[str, ...] = ()
    baseline: str = "auto"
    target: Target = "oks"
    loss: str = "rank"
    margin: float = 0.5
    positive: float = 0.5
    hidden: int | None = None
    feedforward: int = 64
    dropout: float = 0.3
    input_dropout: float = 0.1
    epochs: int | None = None
    poses_per_step: int = 128
    shortcut: bool = True
    learning_rate: float = 1e-3
    linear_learning_rate: float = 1e-2
    warmup_steps: int = 100
    weight_decay: float = 0.05
    average: float = 0.995
    flip: bool = True
    floor: float | None = None
    max_poses: int = 20
    unmatched_weight: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if (
            (self.epochs is not None and self.epochs < 1)
            or self.poses_per_step < 1
            or self.learning_rate <= 0
        ):
            raise WeightsError(
                "epochs and poses_per_step must be at least 1 and learning_rate above 0, got "
                f"{self.epochs}, {self.poses_per_step}, {self.learning_rate}"
            )
        if not 0 <= self.margin <= 1:
            raise WeightsError(f"margin must be in [0, 1], got {self.margin}")
        if not 0 < self.positive <= 1:
            raise WeightsError(f"positive must be in (0, 1], got {self.positive}")

    def epochs_for(self, poses: int) -> int:
        """Return the number of epochs for so many training poses, see `epochs`.

        >>> [Recipe().epochs_for(poses) for poses in (256, 600, 16_000)]
        [40, 24, 20]
        >>> Recipe(epochs=5).epochs_for(256)
        5
        """
        if self.epochs is not None:
            return self.epochs
        steps = math.ceil(poses / self.poses_per_step)
        return min(max(EPOCHS, math.ceil(MIN_STEPS / max(steps, 1))), MAX_EPOCHS)


PRESETS: Mapping[str, Recipe] = MappingProxyType(
    {
        "residual": Recipe(),
        # As in the paper (sections 4.2, 5, B); what it leaves open is torch's default, and matched
        # targets on all poses.
        "paper": Recipe(
            output="plain",
            features="paper",
            baseline="score",
            feedforward=2048,
            dropout=0.1,
            input_dropout=0.0,
            shortcut=False,
            epochs=50,
            learning_rate=1e-4,
            warmup_steps=250,
            weight_decay=0.0,
            average=0.0,
            flip=False,
            floor=0.0,
            unmatched_weight=1.0,
        ),
    }
)
