"""Choices of features by their group."""

from __future__ import annotations

from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring import features
from rcnet_rt.rescoring.feature_groups import FEATURE_GROUPS, group_of

__all__ = ["group_of", "is_not", "is_score_or", "present"]


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
    return [group for group in FEATURE_GROUPS if group in found]
