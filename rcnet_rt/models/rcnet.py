"""RCNet, and the two networks that it is compared with: ScoreNet (an MLP) and a linear one.

All take features (P, D), baseline logits (P,) and image numbers (P,), and return scores (P,) in
(0, 1). A batch may hold the poses of many images: attention is masked to the poses of each image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from rcnet_rt.errors import WeightsError
from rcnet_rt.models.device import device_errors
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
        """Return (P,) scores before the sigmoid; each pose attends to the poses of its image."""
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

    def ignore(self, features: Tensor) -> None:
        """Do not read these features: a (D,) boolean mask."""
        _ignore(features, self.phi.weight)
        if self.config.shortcut:
            _ignore(features, self.shortcut.weight)

    @classmethod
    def for_skeleton(cls, skeleton: str, features: str = "paper", **options: Any) -> RCNet:
        """Return an untrained RCNet; options are fields of `NetworkConfig`.

        Raises:
            SkeletonError: unknown skeleton.
            WeightsError: unknown feature set or option.
        """
        return cls(_config(skeleton, features, options))


class EncoderLayer(nn.Module):
    """Equivalent to torch's `TransformerEncoderLayer` with one head, in fewer operations.

    Parameters have the same names. Attention is masked to the poses of the same image.
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
        mask = torch.where(image_index[:, None] == image_index, 0.0, -torch.inf).to(query.dtype)
        similarity = torch.addmm(mask, query, key.T, alpha=poses.shape[1] ** -0.5)
        attended = self.drop(similarity.softmax(dim=1)) @ value
        poses = self.norm1(poses + self.drop(attention.out_proj(attended)))
        if self.training:
            output = feed_forward(poses, self.linear1, self.linear2, self.drop.p)
        else:
            output = self.linear2(self.linear1(poses).relu())
        normalized: Tensor = self.norm2(poses + self.drop(output))
        return normalized


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
        """Return (P,) scores before the sigmoid; each pose independently."""
        return _with_baseline(
            self.head(self.layers(self.standardise(features))), baseline, self.config
        )

    def forward(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores in (0, 1)."""
        return torch.sigmoid(self.logits(features, baseline, image_index))

    def ignore(self, features: Tensor) -> None:
        """Do not read these features: a (D,) boolean mask."""
        _ignore(features, self.get_parameter("layers.0.weight"))

    @classmethod
    def for_skeleton(cls, skeleton: str, features: str = "dekr", **options: Any) -> ScoreNet:
        """Return an untrained ScoreNet; options are fields of `NetworkConfig`."""
        defaults = {"architecture": "mlp", "hidden": 256, "dropout": 0.0}
        return cls(_config(skeleton, features, defaults | options))


class Linear(nn.Module):
    """One linear layer on the features, the simplest learned correction."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.standardise = Standardise(config)
        self.head = nn.Linear(config.feature_count, 1)
        _initialise(self)

    def logits(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores before the sigmoid; each pose independently."""
        return _with_baseline(self.head(self.standardise(features)), baseline, self.config)

    def forward(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        """Return (P,) scores in (0, 1)."""
        return torch.sigmoid(self.logits(features, baseline, image_index))

    def ignore(self, features: Tensor) -> None:
        """Do not read these features: a (D,) boolean mask."""
        _ignore(features, self.head.weight)


Network = RCNet | ScoreNet | Linear


class Standardise(nn.Module):
    """Standardizes features by mean and deviation of the training set; unknown ones (NaN) become 0.

    In training, features are dropped with probability `input_dropout`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(config.feature_count))
        self.register_buffer("deviation", torch.ones(config.feature_count))
        self.drop = Dropout(config.input_dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(P, D) -> (P, D)."""
        scaled = (features - self.mean) / self.deviation
        kept: Tensor = self.drop(scaled.nan_to_num(0.0).clip(-CLIP, CLIP))
        return kept


def _ignore(features: Tensor, weights: Tensor) -> None:
    """Set columns of (H, D) weights to 0; features that are always 0 leave them so in training."""
    with torch.no_grad():
        weights[:, features] = 0.0


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
    """Return an untrained network with that configuration."""
    kinds: dict[str, type[Network]] = {"attention": RCNet, "mlp": ScoreNet, "linear": Linear}
    return kinds[config.architecture](config)


def on_device(network: Network, device: str) -> Network:
    """Return the network on a device, as torch spells it.

    Raises:
        BackendError: torch cannot use the device.
    """
    with device_errors(device):
        return network.to(device)


def from_weights(weights: Weights) -> Network:
    """Return the trained network of a weights file in evaluation mode.

    Raises:
        WeightsError: the weights are a baseline.
    """
    network = build(weights.network_config())
    network.load_state_dict({name: torch.tensor(t) for name, t in weights.tensors.items()})
    return network.eval()
