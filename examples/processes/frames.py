"""Made-up frames that the examples of this folder refine."""

import numpy as np

Frame = tuple[np.ndarray, np.ndarray]


def frames(count: int = 8) -> list[Frame]:
    """Return keypoints (N, 17, 3) as x, y, confidence, and scores (N,) for each frame."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        people = rng.integers(1, 6)
        corners = rng.uniform(0, 300, (people, 1, 2))
        joints = corners + rng.uniform(0, 150, (people, 17, 2))
        confidence = rng.uniform(0.1, 1.0, (people, 17, 1))
        made.append((np.concatenate([joints, confidence], axis=2), rng.uniform(0.2, 0.9, people)))
    return made
