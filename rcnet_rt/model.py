"""RCNet, and the two networks that it is compared with: ScoreNet (an MLP) and a linear one.

All take features (P, D), base logits (P,) and picture numbers (P,), and give scores (P,) in (0, 1).
Poses of many pictures go through in one call: attention is masked so that a pose sees only the
poses of its own picture.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rcnet_rt import features as feature_sets
from rcnet_rt import skeletons
from rcnet_rt.model_config import CLIP, NetworkConfig

if TYPE_CHECKING:
    from rcnet_rt.weights_file import Weights

__all__ = ["Linear", "RCNet", "ScoreNet", "build", "from_weights"]


class Standardise(nn.Module):
    """Features to mean 0 and deviation 1 over the training set; an unknown one (NaN) becomes 0."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))

    def forward(self, features: Tensor) -> Tensor:
        """(P, D) -> (P, D)."""
        scaled = (features - self.mean) / self.deviation
        return torch.where(torch.isnan(scaled), 0.0, scaled).clip(-CLIP, CLIP)


class Network(nn.Module):
    """What the three networks share: standardised features in, base added, sigmoid out."""

    def __init__(self, config: NetworkConfig, body: nn.ModuleDict) -> None:
        super().__init__()
        self.config = config
        self.standardise = Standardise(config.feature_count)
        self.hide = nn.Dropout(config.input_dropout)
        for name, module in body.items():
            self.add_module(name, module)
        self._initialise()

    def _initialise(self) -> None:
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.kaiming_uniform_(parameter, a=1.0)  # a=1: the gain of a linear layer
            elif "norm" not in name:
                nn.init.zeros_(parameter)
        if self.config.output == "residual":
            nn.init.zeros_(self.get_parameter("head.weight"))

    def body(self, features: Tensor, picture: Tensor) -> Tensor:
        """Map standardised features (P, D) and picture numbers (P,) to (P, 1)."""
        raise TypeError("Network is completed by RCNet, ScoreNet or Linear")

    def logits(self, features: Tensor, base: Tensor, picture: Tensor) -> Tensor:
        """Return (P,) scores before the sigmoid."""
        correction = self.body(self.hide(self.standardise(features)), picture).squeeze(-1)
        return correction + base if self.config.output == "residual" else correction

    def forward(self, features: Tensor, base: Tensor, picture: Tensor) -> Tensor:
        """Return (P,) scores in (0, 1) (paper, eq. 11)."""
        return torch.sigmoid(self.logits(features, base, picture))


class RCNet(Network):
    """The paper's network: linear, one encoder layer with one head, linear, sigmoid (eq. 10-11).

    >>> sum(parameter.numel() for parameter in RCNet.for_skeleton("coco17").parameters())
    69985
    """

    def __init__(self, config: NetworkConfig) -> None:
        encoder = nn.TransformerEncoderLayer(
            config.hidden, 1, config.feedforward, config.dropout, batch_first=True
        )
        body = {
            "phi": nn.Linear(config.feature_count, config.hidden),
            "encoder": encoder,
            "head": nn.Linear(config.hidden, 1),
        }
        super().__init__(config, nn.ModuleDict(body))

    def body(self, features: Tensor, picture: Tensor) -> Tensor:
        """Let every pose look at the poses of its own picture."""
        if len(features) == 0:
            return features[:, :1]
        other = picture[:, None] != picture[None, :]
        attended = self.encoder(self.phi(features)[None], src_mask=other)[0]
        return self.head(attended)  # type: ignore[no-any-return]

    @classmethod
    def for_skeleton(cls, skeleton: str, features: str = "paper", **options: Any) -> RCNet:
        """Return an untrained RCNet; options are fields of `NetworkConfig`.

        Raises:
            SkeletonError: unknown skeleton.
            WeightsError: unknown feature set or option.
        """
        return cls(_config(skeleton, features, options))


class ScoreNet(Network):
    """DEKR's per-pose network: D - 256 - 256 - 1 with ReLU.

    >>> sum(parameter.numel() for parameter in ScoreNet.for_skeleton("coco17").parameters())
    85249
    """

    def __init__(self, config: NetworkConfig) -> None:
        width = config.hidden
        body = {
            "layers": nn.Sequential(
                nn.Linear(config.feature_count, width),
                nn.ReLU(),
                nn.Dropout(config.dropout),
                nn.Linear(width, width),
                nn.ReLU(),
                nn.Dropout(config.dropout),
            ),
            "head": nn.Linear(width, 1),
        }
        super().__init__(config, nn.ModuleDict(body))

    def body(self, features: Tensor, picture: Tensor) -> Tensor:
        """Score each pose by itself."""
        return self.head(self.layers(features))  # type: ignore[no-any-return]

    @classmethod
    def for_skeleton(cls, skeleton: str, features: str = "dekr", **options: Any) -> ScoreNet:
        """Return an untrained ScoreNet; options are fields of `NetworkConfig`."""
        defaults = {"architecture": "mlp", "hidden": 256, "dropout": 0.0}
        return cls(_config(skeleton, features, defaults | options))


class Linear(Network):
    """One linear layer on the features: the plainest learned correction."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config, nn.ModuleDict({"head": nn.Linear(config.feature_count, 1)}))

    def body(self, features: Tensor, picture: Tensor) -> Tensor:
        """Score each pose by itself."""
        return self.head(features)  # type: ignore[no-any-return]


def _config(skeleton: str, features: str, options: dict[str, Any]) -> NetworkConfig:
    count = feature_sets.get(features).size(skeletons.get(skeleton))
    return replace(NetworkConfig(feature_count=count), **options)


def build(config: NetworkConfig) -> Network:
    """Return an untrained network of that configuration."""
    kinds: dict[str, type[RCNet] | type[ScoreNet] | type[Linear]] = {
        "attention": RCNet,
        "mlp": ScoreNet,
        "linear": Linear,
    }
    return kinds[config.architecture](config)


def from_weights(weights: Weights) -> Network:
    """Return the trained network of a weights file, ready to run.

    Raises:
        WeightsError: its tensors do not fit its configuration.
    """
    network = build(weights.network_config())
    weights.check_tensors({name: tuple(t.shape) for name, t in network.state_dict().items()})
    network.load_state_dict({name: torch.tensor(t) for name, t in weights.tensors.items()})
    return network.eval()
