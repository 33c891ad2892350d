"""asyncio: refine in threads, so that the event loop answers meanwhile.

python examples/processes/asyncio_service.py
"""

import asyncio
import json

from frames import Frame, frames

from rcnet_rt import Refiner


async def answer(refiner: Refiner, frame: Frame) -> list[float]:
    """Return the refined scores of a frame; a Refiner may be called from many threads at once."""
    keypoints, scores = frame
    refined = await asyncio.to_thread(refiner.refine, keypoints, scores)
    return refined.tolist()


async def main() -> None:
    """Print the refined scores, a line of JSON for each frame, in order."""
    refiner = await asyncio.to_thread(Refiner)  # loading takes a while, too
    for scores in await asyncio.gather(*(answer(refiner, frame) for frame in frames())):
        print(json.dumps(scores))


if __name__ == "__main__":
    asyncio.run(main())
