"""The skeletons, under a short name; see `poses.skeletons`."""

from rcnet_rt.poses.skeletons import (
    COCO17,
    CROWDPOSE14,
    CROWDPOSE14_TORSO,
    Skeleton,
    get,
    names,
    register,
)

__all__ = ["COCO17", "CROWDPOSE14", "CROWDPOSE14_TORSO", "Skeleton", "get", "names", "register"]
