"""YOLO-Pose: from the output of its network to poses, and what is read from its metadata."""
