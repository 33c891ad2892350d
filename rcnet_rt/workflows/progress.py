"""How far a workflow is: one value for all of them, given to a callback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["OnProgress", "Progress", "ignore"]


@dataclass(frozen=True)
class Progress:
    """A step of a workflow.

    Attributes:
        task: what is worked on: a split of a data set, a video, an epoch.
        done: how many images, frames or epochs are done, earlier runs included.
        total: how many there are; None if that is not known.
        message: a sentence about what happened, such as a connection that was lost; mostly empty.
        figures: of the step, such as {"loss": 0.3}; NaN where one does not exist.
    """

    task: str
    done: int
    total: int | None
    message: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


OnProgress = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """Take no notice."""
