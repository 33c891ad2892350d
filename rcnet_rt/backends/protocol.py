"""What a backend is, and what it returns."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from rcnet_rt.poses.arrays import Array
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_head import JointEstimates
from rcnet_rt.rescoring.mistakes import Evidence

__all__ = ["Backend", "Refined"]


class Refined(NamedTuple):
    """What a backend returns.

    Attributes:
        scores: (P,) refined scores in [0, 1]; a faulty pose has its raw score brought there.
        faulty: (P,) which poses hold a number that is NaN or too large.
        evidence: of mistakes in the inputs; None where the backend does not collect it.
        joints: estimates of the joints, where they were asked for.
    """

    scores: Array
    faulty: Array
    evidence: Evidence | None = None
    joints: JointEstimates | None = None


class Backend(Protocol):
    """Refines with one weights file. Safe to call from several threads.

    Attributes:
        name: what the user calls it.
        device: where it runs, as torch spells it.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102

    def __call__(self, inputs: PoseInputs) -> Refined:
        """Return what `rescoring.rescore.refined_scores` does.

        It takes any kind of array and gives its own.
        """
        ...

    def with_joints(self, inputs: PoseInputs) -> Refined:
        """Return what `rescoring.rescore.refined_joints` does, the scores equal to the bit.

        Raises:
            WeightsError: the weights have no joint head.
        """
        ...
