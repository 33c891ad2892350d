"""The message: the one file to change for another type.

ROS has no standard message for poses. This one is JSON in a std_msgs/String, which every install
has; hri_msgs/Skeleton2D, yolo_msgs or your own take the same numbers.
"""

from __future__ import annotations

import json
from typing import Any

from pose_refinement import RequirementResult
from std_msgs.msg import String

from rcnet_rt.datasets.pose_objects import pose_objects

Message = String


def to_message(answer: RequirementResult, header: Any) -> String:
    """Return the poses with the header of the image that they were found in."""
    stamp = {"sec": header.stamp.sec, "nanosec": header.stamp.nanosec}
    poses = pose_objects(answer.poses, answer.kept)
    message = String()
    message.data = json.dumps({"stamp": stamp, "frame_id": header.frame_id, "poses": poses})
    return message
