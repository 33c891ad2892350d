"""What a network is made of: the frozen record that the model, the file and the backends share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rcnet_rt.errors import WeightsError

__all__ = ["Architecture", "NetworkConfig", "Output", "tensor_shapes"]

Architecture = Literal["attention", "mlp", "linear"]
Output = Literal["plain", "residual"]


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a refinement network.

    Attributes:
        feature_count: D, the number of features.
        architecture: "attention" (RCNet), "mlp" (ScoreNet) or "linear".
        output: "plain", sigmoid(head), the paper's; or "residual", sigmoid(base + head) with a
            head that starts at zero.
        hidden: width of the attention (the paper's 16) or of the MLP (DEKR's 256).
        feedforward: width of the encoder's feed-forward part (2048 in the paper).
        dropout: dropout inside the network, while training.
        input_dropout: share of the features that are hidden at random, while training.
        shortcut: whether RCNet's head also reads the features directly, through one linear layer
            that starts at zero. Few poses suffice to learn it.
    """

    feature_count: int
    architecture: Architecture = "attention"
    output: Output = "plain"
    hidden: int = 16
    feedforward: int = 2048
    dropout: float = 0.1
    input_dropout: float = 0.0
    shortcut: bool = False

    def __post_init__(self) -> None:
        for name, kinds in (("architecture", Architecture), ("output", Output)):
            if getattr(self, name) not in get_args(kinds):
                raise WeightsError(
                    f"{name}: expected one of {', '.join(get_args(kinds))}, "
                    f"got {getattr(self, name)!r}"
                )
        sizes = (self.feature_count, self.hidden, self.feedforward)
        if not all(type(size) is int and size >= 1 for size in sizes):
            raise WeightsError(f"a network needs sizes of at least 1, whole numbers, got {self}")
        if not (0 <= self.dropout < 1 and 0 <= self.input_dropout < 1):
            raise WeightsError(f"dropout must be in [0, 1), got {self}")


def tensor_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor that a network of this configuration has."""
    count, width = config.feature_count, config.hidden
    shapes: dict[str, tuple[int, ...]] = {
        "standardise.mean": (count,),
        "standardise.deviation": (count,),
        **_linear("head", count if config.architecture == "linear" else width, 1),
    }
    if config.architecture == "attention":
        shapes |= {
            **_linear("phi", count, width),
            "encoder.self_attn.in_proj_weight": (3 * width, width),
            "encoder.self_attn.in_proj_bias": (3 * width,),
            **_linear("encoder.self_attn.out_proj", width, width),
            **_linear("encoder.linear1", width, config.feedforward),
            **_linear("encoder.linear2", config.feedforward, width),
        }
        if config.shortcut:
            shapes |= {"shortcut.weight": (1, count)}
        for norm in ("norm1", "norm2"):
            shapes |= {f"encoder.{norm}.{part}": (width,) for part in ("weight", "bias")}
    elif config.architecture == "mlp":
        shapes |= {**_linear("layers.0", count, width), **_linear("layers.3", width, width)}
    return shapes


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
