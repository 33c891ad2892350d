"""How much the joint scores add to scores that contain some of them already."""

from __future__ import annotations

from rcnet_rt.rescoring.constants import RELATED, UNEXPLAINED_POWER

__all__ = ["unexplained_share"]


def unexplained_share(joint_correlation: float) -> float:
    """Return the share of the joints' confidence that the scores do not contain, in [0, 1].

    Args:
        joint_correlation: of the scores with the joints' confidence, in [0, 1], as
            `rescoring.score_reference.ScoreReference` has it. Without any, the joint scores may
            mean nothing, and the share is 0 as well.
    """
    related = min(joint_correlation / RELATED, 1.0)
    return related * (1 - max(joint_correlation, RELATED)) ** UNEXPLAINED_POWER
