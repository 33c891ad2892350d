"""Poses as JSON in a std_msgs/String, which every install of ROS has: all that is known of each."""

from __future__ import annotations

import json
from typing import Any

from pose_refinement import Answer
from std_msgs.msg import String

from rcnet_rt.datasets.pose_objects import pose_objects

Message, TOPIC = String, "~/poses"


def to_messages(answer: Answer, header: Any) -> list[String]:
    """Return one message with all poses, kept or not, and the header of their image."""
    stamp = {"sec": header.stamp.sec, "nanosec": header.stamp.nanosec}
    poses = pose_objects(answer.poses, answer.kept)
    message = String()
    message.data = json.dumps({"stamp": stamp, "frame_id": header.frame_id, "poses": poses})
    return [message]
