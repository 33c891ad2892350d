"""Refine poses with an exported file and onnxruntime alone: rcnet_rt is not needed where it runs.

rcnet-rt export --weights yolo-pose --out yolo-pose.onnx
python examples/onnx_python.py yolo-pose.onnx
"""

import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
notes = session.get_modelmeta().custom_metadata_map
joints = len(notes["keypoints"].split(","))

# Two poses as an estimator gives them, all of one image in one call. NaN: not found.
rng = np.random.default_rng(0)
keypoints = rng.uniform(100, 300, (2, joints, 2)).astype(np.float32)
keypoints[1, :4] = np.nan
poses = {
    "keypoints": keypoints,
    "keypoint_scores": np.full((2, joints), 0.8, np.float32),
    "scores": np.array([0.9, 0.4], np.float32),
    "boxes": np.array([[90, 90, 310, 310]] * 2, np.float32),
}
wanted = {item.name for item in session.get_inputs()}
# With a joint head, "joint_confidence" and "joint_covariance" are outputs too.
(refined,) = session.run(["refined_scores"], {name: poses[name] for name in wanted})
for before, after in zip(poses["scores"], refined, strict=True):
    kept = "kept" if after >= float(notes["threshold"]) else "dropped"
    print(f"{before:.3f} -> {after:.3f} {kept}")
