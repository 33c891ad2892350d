"""Many processes: each opens a Refiner once and refines its share of the frames.

python examples/processes/process_pool.py [spawn|fork|forkserver]
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from frames import Frame, frames

from rcnet_rt import Refiner


def open_refiner() -> None:
    """Load the weights, once in each worker."""
    global refiner
    refiner = Refiner()


def refine(frame: Frame) -> list[float]:
    """Return the refined scores of a frame."""
    keypoints, scores = frame
    return refiner.refine(keypoints, scores).tolist()


def main(method: str = "spawn") -> None:
    """Print the refined scores, a line of JSON for each frame, in order."""
    with ProcessPoolExecutor(2, get_context(method), initializer=open_refiner) as pool:
        for scores in pool.map(refine, frames(), chunksize=4):
            print(json.dumps(scores))


if __name__ == "__main__":
    main(*sys.argv[1:])
