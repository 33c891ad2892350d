"""Which group each feature belongs to, by its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.rescoring import features

__all__ = ["FEATURE_GROUPS", "group_of", "of_groups"]

# The first group whose test holds takes a feature; `other` takes what a later version adds.
FEATURE_GROUPS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
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
    """Return the group that a feature belongs to.

    >>> group_of("log size")
    'size'
    """
    return next(group for group, has in FEATURE_GROUPS.items() if has(feature))


def of_groups(feature_set: str, skeleton: Skeleton, groups: Collection[str]) -> list[int]:
    """Return the columns of a feature set that belong to some groups.

    Raises:
        WeightsError: an unknown group or feature set.
    """
    if unknown := set(groups) - FEATURE_GROUPS.keys():
        raise WeightsError(
            f"unknown feature group {', '.join(sorted(unknown))}; known are "
            f"{', '.join(FEATURE_GROUPS)}"
        )
    names = features.get(feature_set).names(skeleton)
    return [column for column, name in enumerate(names) if group_of(name) in groups]
