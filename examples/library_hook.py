"""rcnet_rt in somebody's robot: plain NumPy in, plain NumPy out, once a frame.

python examples/library_hook.py
"""

import numpy as np

from rcnet_rt import Refiner

KEEP = 0.4  # refined score from which the robot believes in a person


def estimate(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stand in for your estimator: keypoints (N, 17, 2), pose scores (N,), joint scores (N, 17)."""
    people = rng.integers(0, 5)
    keypoints = rng.uniform(0, 200, (people, 1, 2)) + rng.uniform(0, 200, (people, 17, 2))
    return keypoints, rng.uniform(0.2, 0.95, people), rng.uniform(0.1, 1.0, (people, 17))


def main() -> None:
    """Refine ten frames."""
    refiner = Refiner()  # loaded once
    rng = np.random.default_rng(0)
    for frame in range(10):
        keypoints, raw, joints = estimate(rng)
        refined = refiner.refine(
            keypoints,
            raw,
            keypoint_scores=joints,
            image_size=(640, 480),
            on_error="raw",  # avoiding people, a faulty pose is better kept than lost
        )
        people = keypoints[refined >= KEEP]
        print(f"frame {frame}: {raw.round(2)} -> {refined.round(2)}, {len(people)} people")


if __name__ == "__main__":
    main()
