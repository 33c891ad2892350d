"""Which group each feature belongs to, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring import features

__all__ = ["GROUPS", "group_of", "is_not", "is_score_or", "present"]

# The first group whose test holds takes a feature; `other` takes what a later version adds.
GROUPS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "score": lambda name: name in ("base", "initial score"),
        "links": lambda name: name.startswith(("dx ", "dy ", "length ")),
        "joint scores": lambda name: name.startswith("score "),
        "confidence statistics": lambda name: "confiden" in name,
        "set": lambda name: any(w in name for w in ("overlap", "rank", "company", "gap")),
        "size": lambda name: "size" in name,
        "aspect": lambda name: any(w in name for w in ("aspect", "unit", "torso")),
        "place": lambda name: any(w in name for w in ("centre", "border")),
        "counts": lambda name: any(w in name for w in ("joints", "visible", "found")),
        "other": lambda name: True,
    }
)


def group_of(feature: str) -> str:
    """Return the group that a feature belongs to."""
    return next(group for group, has in GROUPS.items() if has(feature))


def is_not(feature: str, group: str) -> bool:
    """Return whether a feature is of another group."""
    return group_of(feature) != group


def is_score_or(feature: str, group: str) -> bool:
    """Return whether a feature is of the group, or the score, which is always there."""
    return group_of(feature) in ("score", group)


def present(feature_set: str) -> list[str]:
    """Return the groups that a feature set has."""
    names = features.get(feature_set).names(skeletons.get("coco17"))
    found = {group_of(name) for name in names}
    return [group for group in GROUPS if group in found]
