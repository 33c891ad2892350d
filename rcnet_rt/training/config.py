"""How a network is trained: one frozen record, and the two presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring.network_config import Architecture, Output
from rcnet_rt.training.dataset import Target

__all__ = ["PRESETS", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Every choice of a training run.

    Attributes:
        architecture: see `NetworkConfig`; so are output, feedforward and the dropouts.
        features: name of the feature set.
        baseline: name of the baseline; "auto" is the one with the best AP on the training images.
        hidden: None is 16 for attention, the paper's, and 128 for the MLP.
        target: "oks" (matched OKS) or "share" (share of COCO's ten thresholds reached).
        loss: name of the loss, see `training.losses`.
        margin: of the rank loss.
        positive: matched OKS from which a pose is right, of the losses that know right and wrong.
        epochs: passes over the training images.
        poses_per_step: whole images are packed to about this many poses.
        shortcut: see `NetworkConfig`.
        learning_rate: after the warm-up, constant.
        linear_learning_rate: likewise, of what is linear in the features: the shortcut, or the
            whole linear network.
        warmup_steps: linear from 0.
        weight_decay: of AdamW.
        average: decay of the running mean of the weights that is kept; 0 keeps the last weights.
        flip: whether half of the images are mirrored in each epoch.
        floor: raw scores below it are not trained on; None is 0.05 for scores in [0, 1], else 0.
        most: poses of an image that are trained on, the best by raw score.
        unsure: weight of unmatched poses where the ground truth is incomplete.
        seed: of initialisation, order, mirrors and dropout.
    """

    architecture: Architecture = "attention"
    output: Output = "residual"
    features: str = "full"
    baseline: str = "auto"
    target: Target = "oks"
    loss: str = "rank"
    margin: float = 0.5
    positive: float = 0.5
    hidden: int | None = None
    feedforward: int = 64
    dropout: float = 0.3
    input_dropout: float = 0.1
    epochs: int = 20
    poses_per_step: int = 128
    shortcut: bool = True
    learning_rate: float = 1e-3
    linear_learning_rate: float = 1e-2
    warmup_steps: int = 100
    weight_decay: float = 0.05
    average: float = 0.995
    flip: bool = True
    floor: float | None = None
    most: int = 20
    unsure: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.poses_per_step < 1 or self.learning_rate <= 0:
            raise WeightsError(
                "epochs and poses_a_step must be at least 1 and learning_rate above 0, got "
                f"{self.epochs}, {self.poses_per_step}, {self.learning_rate}"
            )
        if not 0 <= self.margin <= 1:
            raise WeightsError(f"margin must be in [0, 1], got {self.margin}")
        if not 0 < self.positive <= 1:
            raise WeightsError(f"positive must be in (0, 1], got {self.positive}")


PRESETS: Mapping[str, Recipe] = MappingProxyType(
    {
        "residual": Recipe(),
        # The paper's (sections 4.2, 5, B): what it leaves unsaid is torch's default, and matched
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
            unsure=1.0,
        ),
    }
)
