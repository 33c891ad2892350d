"""A camera (or a video) in a window, poses coloured by their refined score; q ends it.

python examples/webcam.py [SOURCE] [MODEL]
"""

import sys

import cv2

from rcnet_rt import Refiner, estimators
from rcnet_rt.poses.frame import Gap
from rcnet_rt.video import overlay, pipeline
from rcnet_rt.video.source import open_source
from rcnet_rt.video.telemetry import Telemetry


def main() -> None:
    """Show refined poses until q is pressed or the source ends."""
    source, model = [*sys.argv[1:], *["0", "yolo-pose"][len(sys.argv) - 1 :]][:2]
    refiner = Refiner("yolo-pose")
    estimator = estimators.load(model, floor=0.05)
    stages = [
        pipeline.estimate([estimator]),
        pipeline.refine(refiner, refiner.weights.threshold("auto")),
        pipeline.draw(
            lambda result: overlay.draw(
                result.frame.image_bgr, result.poses, result.kept, estimator.skeleton
            )
        ),
    ]
    with open_source(source) as frames:
        live = frames.kind == "camera"  # of a camera the newest frame, of a video every one
        for result in pipeline.process(frames, stages, Telemetry(), realtime=live):
            if isinstance(result, Gap):
                continue
            cv2.imshow("rcnet-rt", result.drawn)
            if cv2.waitKey(1) == ord("q"):
                break


if __name__ == "__main__":
    main()
