"""Which shipped weights `auto` takes for a family of estimators.

The paper has three groups of estimators: one-stage, top-down and bottom-up. Weights of a group suit
estimators whose scores mean the same. A top-down tool that reports the detector's score alone is
not among them: the top-down weights were trained on box score × mean joint score.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["GENERIC", "GROUPS", "SHIPPED", "Group", "weights_for"]

GENERIC = "generic"
# Names of the weights that every installation has; one that lacks any of them is damaged.
SHIPPED = (
    "bottom-up",
    GENERIC,
    "lightweight-openpose",
    "posenet",
    "top-down",
    "yolo-pose",
    "yolo-pose-rcnet",
)


@dataclass(frozen=True)
class Group:
    """Families of estimators that share weights.

    Attributes:
        weights: name of the shipped weights.
        trained_on: families with predictions among the training data.
        untested: families of which no predictions were at hand.
    """

    weights: str
    trained_on: tuple[str, ...]
    untested: tuple[str, ...] = ()


GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        "one-stage": Group("yolo-pose", ("yolo-pose",), ("rtmo",)),
        "top-down": Group("top-down", ("movenet", "tinypose", "simplepose")),
        "bottom-up": Group("bottom-up", ("posenet", "lightweight-openpose")),
    }
)


def weights_for(family: str, shipped: Collection[str]) -> str:
    """Return the name of the weights for a family: its own, those of its group, or generic ones.

    >>> weights_for("movenet", ["generic", "top-down"])
    'top-down'
    >>> weights_for("vitpose", ["generic", "top-down"])
    'generic'
    """
    of_group = [
        group.weights for group in GROUPS.values() if family in (*group.trained_on, *group.untested)
    ]
    return next((name for name in (family, *of_group) if name in shipped), GENERIC)
