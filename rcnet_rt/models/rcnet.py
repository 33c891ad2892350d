"""RCNet, and the two networks that it is compared with: ScoreNet (an MLP) and a linear one.

All take features (P, D), base logits (P,) and image numbers (P,), and give scores (P,) in (0, 1).
Poses of many images go through in one call: attention is masked so that a pose sees only the
poses of its own image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from rcnet_rt.errors import BackendError, WeightsError
from rcnet_rt.models.dropout import Dropout, feed_forward
from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.constants import CLIP
from rcnet_rt.rescoring.network_config import NetworkConfig

if TYPE_CHECKING:
    from rcnet_rt.rescoring.weights import Weights

__all__ = ["Linear", "Network", "RCNet", "ScoreNet", "build", "from_weights", "on_device"]


class RCNet(nn.Module):
    """The paper's network: linear, one encoder layer with one head, linear, sigmoid (eq. 10-11).

    >>> sum(parameter.numel() for parameter in RCNet.for_skeleton("coco17").parameters())
    69985
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.standardise = Standardise(config)
        self.phi = nn.Linear(config.feature_count, config.hidden)
        self.encoder = EncoderLayer(config)
        self.head = nn.Linear(config.hidden, 1)
        if config.shortcut:
            self.shortcut = nn.Linear(config.feature_count, 1, bias=False)
        _initialise(self)

    def logits(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores before the sigmoid; every pose looks at the poses of its image."""
        if features.shape[0] == 0:
            return baseline
        standard = self.standardise(features)
        correction = self.head(self.encoder(self.phi(standard), image_index))
        if self.config.shortcut:
            correction = correction + self.shortcut(standard)
        return _with_baseline(correction, baseline, self.config)

    def forward(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores in (0, 1)."""
        return torch.sigmoid(self.logits(features, baseline, image_index))

    @classmethod
    def for_skeleton(cls, skeleton: str, features: str = "paper", **options: Any) -> RCNet:
        """Return an untrained RCNet; options are fields of `NetworkConfig`.

        Raises:
            SkeletonError: unknown skeleton.
            WeightsError: unknown feature set or option.
        """
        return cls(_config(skeleton, features, options))


class EncoderLayer(nn.Module):
    """Torch's `TransformerEncoderLayer` with one head: its names and numbers in fewer calls.

    Attention is masked so that a pose sees only the poses of its own image.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(config.hidden, 1)
        self.linear1 = nn.Linear(config.hidden, config.feedforward)
        self.linear2 = nn.Linear(config.feedforward, config.hidden)
        self.norm1 = nn.LayerNorm(config.hidden)
        self.norm2 = nn.LayerNorm(config.hidden)
        self.drop = Dropout(config.dropout)

    def forward(self, poses: Tensor, image_index: Tensor) -> Tensor:
        """(P, H) and (P,) image numbers -> (P, H)."""
        attention = self.self_attn
        projected = F.linear(poses, attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = projected.chunk(3, dim=1)
        apart = torch.where(image_index[:, None] == image_index, 0.0, -torch.inf).to(query.dtype)
        likeness = torch.addmm(apart, query, key.T, alpha=poses.shape[1] ** -0.5)
        seen = self.drop(likeness.softmax(dim=1)) @ value
        poses = self.norm1(poses + self.drop(attention.out_proj(seen)))
        if self.training:
            wide = feed_forward(poses, self.linear1, self.linear2, self.drop.share)
        else:
            wide = self.linear2(self.linear1(poses).relu())
        normal: Tensor = self.norm2(poses + self.drop(wide))
        return normal


class ScoreNet(nn.Module):
    """DEKR's per-pose network: D - 256 - 256 - 1 with ReLU.

    >>> sum(parameter.numel() for parameter in ScoreNet.for_skeleton("coco17").parameters())
    85249
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.standardise = Standardise(config)
        width, drop = config.hidden, Dropout(config.dropout)
        self.layers = nn.Sequential(
            nn.Linear(config.feature_count, width), nn.ReLU(), drop,
            nn.Linear(width, width), nn.ReLU(), drop,
        )  # fmt: skip
        self.head = nn.Linear(width, 1)
        _initialise(self)

    def logits(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores before the sigmoid; each pose by itself."""
        return _with_baseline(
            self.head(self.layers(self.standardise(features))), baseline, self.config
        )

    def forward(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores in (0, 1)."""
        return torch.sigmoid(self.logits(features, baseline, image_index))

    @classmethod
    def for_skeleton(cls, skeleton: str, features: str = "dekr", **options: Any) -> ScoreNet:
        """Return an untrained ScoreNet; options are fields of `NetworkConfig`."""
        defaults = {"architecture": "mlp", "hidden": 256, "dropout": 0.0}
        return cls(_config(skeleton, features, defaults | options))


class Linear(nn.Module):
    """One linear layer on the features: the plainest learned correction."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.standardise = Standardise(config)
        self.head = nn.Linear(config.feature_count, 1)
        _initialise(self)

    def logits(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores before the sigmoid; each pose by itself."""
        return _with_baseline(self.head(self.standardise(features)), baseline, self.config)

    def forward(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores in (0, 1)."""
        return torch.sigmoid(self.logits(features, baseline, image_index))


Network = RCNet | ScoreNet | Linear


class Standardise(nn.Module):
    """Features to mean 0 and deviation 1 over the training set; an unknown one (NaN) becomes 0.

    While training, `input_dropout` of them are hidden at random.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(config.feature_count))
        self.register_buffer("deviation", torch.ones(config.feature_count))
        self.hide = Dropout(config.input_dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(P, D) -> (P, D)."""
        scaled = (features - self.mean) / self.deviation
        hidden: Tensor = self.hide(scaled.nan_to_num(0.0).clip(-CLIP, CLIP))
        return hidden


def _initialise(network: Network) -> None:
    """Kaiming uniform weights (paper, section 5), zero biases; a residual head starts at zero."""
    for name, parameter in network.named_parameters():
        if parameter.ndim == 2:
            nn.init.kaiming_uniform_(parameter, a=1.0)  # a=1: the gain of a linear layer
        elif "norm" not in name:
            nn.init.zeros_(parameter)
    if network.config.output == "residual":
        nn.init.zeros_(network.head.weight)
    if isinstance(network, RCNet) and network.config.shortcut:
        nn.init.zeros_(network.shortcut.weight)


def _with_baseline(correction: Tensor, baseline: Tensor, config: NetworkConfig) -> Tensor:
    correction = correction.squeeze(-1)
    return correction + baseline if config.output == "residual" else correction


def _config(skeleton: str, features: str, options: dict[str, Any]) -> NetworkConfig:
    count = feature_sets.get(features).size(skeletons.get(skeleton))
    try:
        return NetworkConfig(feature_count=count, **options)
    except TypeError as error:
        raise WeightsError(f"a network has no such option: {error}") from error


def build(config: NetworkConfig) -> Network:
    """Return an untrained network of that configuration."""
    kinds: dict[str, type[Network]] = {"attention": RCNet, "mlp": ScoreNet, "linear": Linear}
    return kinds[config.architecture](config)


def on_device(network: Network, device: str) -> Network:
    """Return the network on a device, as torch spells it.

    Raises:
        BackendError: torch cannot use the device.
    """
    try:
        return network.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BackendError(
            f"device {device!r} cannot be used: {reason}; try device 'cpu'"
        ) from error


def from_weights(weights: Weights) -> Network:
    """Return the trained network of a weights file, ready to run.

    Raises:
        WeightsError: the weights are a baseline.
    """
    network = build(weights.network_config())
    network.load_state_dict({name: torch.tensor(t) for name, t in weights.tensors.items()})
    return network.eval()
