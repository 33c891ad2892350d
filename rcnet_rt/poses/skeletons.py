"""Skeletons: the names, links, mirror pairs and OKS sigmas of a set of keypoints.

`coco17` and `crowdpose14` are here, and `crowdpose14-torso`; `register` adds your own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rcnet_rt.errors import SkeletonError

__all__ = [
    "COCO17",
    "CROWDPOSE14",
    "CROWDPOSE14_TORSO",
    "Skeleton",
    "get",
    "names",
    "register",
    "with_keypoints",
]


@dataclass(frozen=True)
class Skeleton:
    """What is known about a set of K keypoints before any pose is seen.

    Attributes:
        name: how weights files and the command line call it.
        keypoints: K names, in the order of the arrays.
        links: L pairs of keypoint indices; a link's vector is first minus second.
        sigmas: K standard deviations of the annotators, as a share of sqrt(person area) (COCO's
            definition; OKS divides by 2 sigma).
        flip_pairs: (left, right) keypoint indices that a mirror swaps.
        torso: the two links that run down the sides of the torso.
        unit_links: the links whose mean length is the unit of the paper's features. Defaults to
            the torso. DEKR takes links 9 and 11 for every data set, which on CrowdPose are the
            left thigh and the left shin.
    """

    name: str
    keypoints: tuple[str, ...]
    links: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    torso: tuple[int, int]
    unit_links: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        count = len(self.keypoints)
        if len(self.sigmas) != count:
            raise SkeletonError(
                f"skeleton {self.name!r}: got {len(self.sigmas)} sigmas for {count} keypoints; "
                "give one sigma a keypoint"
            )
        indices = [index for pair in (*self.links, *self.flip_pairs) for index in pair]
        if any(not 0 <= index < count for index in indices):
            raise SkeletonError(
                f"skeleton {self.name!r}: links and flip pairs must hold indices from 0 to "
                f"{count - 1}"
            )
        if any(not 0 <= link < len(self.links) for link in (*self.torso, *self.unit)):
            raise SkeletonError(
                f"skeleton {self.name!r}: torso and unit_links must be indices into its "
                f"{len(self.links)} links"
            )

    @property
    def unit(self) -> tuple[int, int]:
        """The links whose mean length is the unit of the paper's features."""
        return self.torso if self.unit_links is None else self.unit_links

    @property
    def flip_order(self) -> tuple[int, ...]:
        """The K keypoint indices in the order that a mirrored pose has.

        >>> COCO17.flip_order[:5]
        (0, 2, 1, 4, 3)
        """
        order = list(range(len(self.keypoints)))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return tuple(order)


# fmt: off
# COCO's keypoints and sigmas (cocodataset.org); DEKR's 19 links, in its order and direction.
COCO17 = Skeleton(
    name="coco17",
    keypoints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    links=(
        (0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (5, 7), (5, 11),
        (6, 8), (6, 12), (7, 9), (8, 10), (11, 12), (11, 13), (12, 14), (13, 15), (14, 16),
    ),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072,
        0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    torso=(9, 11),
)

# CrowdPose's keypoints and sigmas (its evaluation code); DEKR's 15 links, in its order.
CROWDPOSE14 = Skeleton(
    name="crowdpose14",
    keypoints=(
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
        "head", "neck",
    ),
    links=(
        (12, 13), (13, 0), (13, 1), (0, 2), (1, 3), (2, 4), (3, 5), (0, 6),
        (1, 7), (6, 8), (7, 9), (8, 10), (9, 11), (6, 7), (0, 1),
    ),
    sigmas=(
        0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107,
        0.107, 0.087, 0.087, 0.089, 0.089, 0.079, 0.079,
    ),
    flip_pairs=((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)),
    torso=(7, 8),
    unit_links=(9, 11),
)
# fmt: on

# The same joints measured by the torso, as DEKR's rule means it and its link numbers do not.
CROWDPOSE14_TORSO = replace(CROWDPOSE14, name="crowdpose14-torso", unit_links=None)

_registered: dict[str, Skeleton] = {
    skeleton.name: skeleton for skeleton in (COCO17, CROWDPOSE14, CROWDPOSE14_TORSO)
}


def register(skeleton: Skeleton) -> Skeleton:
    """Make your own skeleton known by its name, and return it.

    Raises:
        SkeletonError: the name belongs to another skeleton already.
    """
    known = _registered.setdefault(skeleton.name, skeleton)
    if known != skeleton:
        raise SkeletonError(
            f"a different skeleton is registered as {skeleton.name!r} already; choose another name"
        )
    return skeleton


def get(name: str) -> Skeleton:
    """Return the skeleton of that name.

    >>> len(get("crowdpose14").keypoints)
    14

    Raises:
        SkeletonError: no skeleton has that name.
    """
    try:
        return _registered[name]
    except KeyError:
        raise SkeletonError(
            f"unknown skeleton {name!r}; known are {', '.join(names())}; "
            "rcnet_rt.register_skeleton adds one"
        ) from None


def with_keypoints(count: float) -> tuple[Skeleton, ...]:
    """Return the known skeletons of so many keypoints, the usual one first.

    >>> [skeleton.name for skeleton in with_keypoints(14)]
    ['crowdpose14', 'crowdpose14-torso']
    """
    known = _registered.values()
    return tuple(skeleton for skeleton in known if len(skeleton.keypoints) == count)


def names() -> tuple[str, ...]:
    """Return the names of all known skeletons."""
    return tuple(_registered)
