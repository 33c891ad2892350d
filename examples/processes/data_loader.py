"""torch's DataLoader: the workers refine while they load.

python examples/processes/data_loader.py [fork|spawn]
"""

import json
import sys

import torch
from frames import frames
from torch.utils.data import DataLoader, Dataset

from rcnet_rt import Refiner


class RefinedFrames(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Frames with refined scores. A forked worker uses this Refiner, a spawned one opens its own.

    The Refiner is for the CPU: CUDA does not survive a fork.
    """

    def __init__(self) -> None:
        self.frames = frames()
        self.refiner = Refiner(device="cpu")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the keypoints and the refined scores of a frame."""
        keypoints, scores = map(torch.from_numpy, self.frames[index])
        return keypoints, self.refiner.refine(keypoints, scores)


def main(method: str = "fork") -> None:
    """Print the refined scores, a line of JSON for each frame, in order."""
    loader = DataLoader(
        RefinedFrames(), batch_size=None, num_workers=2, multiprocessing_context=method
    )
    for _, scores in loader:
        print(json.dumps(scores.tolist()))


if __name__ == "__main__":
    main(*sys.argv[1:])
