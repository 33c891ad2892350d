"""A ROS 2 node: images in, poses with raw and refined scores out; see the README beside it."""

from __future__ import annotations

import importlib
from typing import Any

import rclpy
from pose_refinement import SECOND, PoseRefinement
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

# Sensor data, and only the newest: a robot that is behind must not work off a queue.
NEWEST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
# As many messages as an image may have people.
ALL_OF_AN_IMAGE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.BEST_EFFORT
)


class PoseNode(Node):  # type: ignore[misc]
    """Subscribes to ~/image, publishes poses with the stamp of the image.

    The parameter `messages` names the module that makes them: `json` for json_messages,
    `skeleton2d` for skeleton2d_messages, or one of your own.
    """

    def __init__(self) -> None:
        super().__init__("rcnet_rt")
        defaults = {"model": "yolo-pose", "threshold": "auto", "max_age": 0.2, "device": "auto"}
        options = {name: self.declare_parameter(name, v).value for name, v in defaults.items()}
        form = self.declare_parameter("messages", "json").value
        self._messages = importlib.import_module(f"{form}_messages")
        self._refinement = PoseRefinement(**options)
        self._publisher = self.create_publisher(
            self._messages.Message, self._messages.TOPIC, ALL_OF_AN_IMAGE
        )
        self._subscription = self.create_subscription(Image, "~/image", self.on_image, NEWEST)

    def on_image(self, image: Any) -> None:
        """Publish the poses of one image, unless it is too old."""
        stamp = image.header.stamp.sec * SECOND + image.header.stamp.nanosec
        answer = self._refinement.answer(image, stamp, self.get_clock().now().nanoseconds)
        if answer is None:
            self.get_logger().warning(
                f"{self._refinement.stale} images were too old: give a faster model or a larger "
                "max_age",
                throttle_duration_sec=5.0,
            )
            return
        for message in self._messages.to_messages(answer, image.header):
            self._publisher.publish(message)


def main() -> None:
    """Run the node until it is stopped."""
    rclpy.init()
    node = PoseNode()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
