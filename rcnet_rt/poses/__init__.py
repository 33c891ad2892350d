"""The values that everything works on: `Poses`, skeletons, boxes, OKS and frames."""

from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.poses.poses import Poses

__all__ = ["SIGNALS", "Poses"]
