"""rcnet_rt in a loop that runs ultralytics already.

python examples/ultralytics_loop.py [MODEL] [SOURCE]
"""

import sys

from ultralytics import ASSETS, YOLO

from rcnet_rt import Poses, Refiner


def main() -> None:
    """Print raw and refined scores of every image."""
    model = YOLO(sys.argv[1] if len(sys.argv) > 1 else "yolov8n-pose.pt", task="pose")
    source = sys.argv[2] if len(sys.argv) > 2 else ASSETS / "bus.jpg"
    refiner = Refiner("yolo-pose")
    # A low threshold: bringing good poses with bad scores back is the point.
    for result in model.predict(source, conf=0.05, stream=True, verbose=False):
        poses = refiner(Poses.from_ultralytics(result))
        print(result.path)
        for raw, refined in zip(poses.raw_scores, poses.scores, strict=True):
            print(f"  {raw:.2f} -> {refined:.2f}")


if __name__ == "__main__":
    main()
