"""A camera (or a video) in a window, poses coloured by their refined score; q ends it.

python examples/webcam.py [SOURCE] [MODEL]
"""

import sys

import cv2

from rcnet_rt import Refiner, estimators
from rcnet_rt.video.overlay import draw
from rcnet_rt.video.pipeline import process
from rcnet_rt.video.source import open_source


def main() -> None:
    """Show refined poses until q is pressed or the source ends."""
    source, model = [*sys.argv[1:], *["0", "yolo-pose"][len(sys.argv) - 1 :]][:2]
    refiner = Refiner("yolo-pose")
    estimator = estimators.load(model, floor=0.05)
    threshold = refiner.weights.threshold("auto")
    with open_source(source) as frames:
        for result in process(frames, estimator, refiner, threshold):
            image = draw(result.frame.image_bgr, result.poses, result.kept, estimator.skeleton)
            cv2.imshow("rcnet-rt", image)
            if cv2.waitKey(1) == ord("q"):
                break


if __name__ == "__main__":
    main()
