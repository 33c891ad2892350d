"""What the tests share: where the real data lies, and small deterministic poses."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from rcnet_rt.backends.choice import missing, open_backend
from rcnet_rt.datasets.results import read_results, write_results
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring import weights_io

# The same cases at every run; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("same")

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Undo what the tests inherit from whoever started them.

    `nohup` and `&` ignore signals; xdist tells its workers the width of a terminal, but they have
    none.
    """
    os.environ.pop("COLUMNS", None)
    if threading.current_thread() is threading.main_thread():
        for name, handler in (
            ("SIGINT", signal.default_int_handler),
            ("SIGHUP", signal.SIG_DFL),
        ):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels() -> None:
    """Compile Numba's kernels before any test, so that none meets the notice that tells of it."""
    if not missing("numba"):
        from rcnet_rt.backends.numba_consensus import consensus_on_the_host

        open_backend(weights_io.find("generic"), "numba")
        consensus_on_the_host()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, or a skip that says what is missing."""
    folder = Path(os.environ.get("RCNET_RT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data not here: set RCNET_RT_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def small_data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real data, cut down to the first images of each estimator."""
    small = tmp_path_factory.mktemp("data")
    (small / "predictions").mkdir()
    (small / "coco" / "annotations").mkdir(parents=True)
    name = "person_keypoints_val2017.json.gz"
    for part in (f"coco/annotations/{name}", "coco/images", "models"):
        (small / part).symlink_to((shared_data / part).resolve())
    for file in ("lightweight-openpose_val2017", "yolov8n-pose_val2017"):
        entries = read_results(shared_data / "predictions" / f"{file}.json.gz")
        few = [entry for entry in entries if entry["image_id"] < 60_000]
        write_results(small / "predictions" / f"{file}.json.gz", few)
    write_results(small / "predictions" / "yolov8n-pose_train2017.json.gz", few[:1])
    return small


@pytest.fixture
def random_poses() -> Poses:
    """Five people of 17 joints with everything known."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 300, (5, 1, 2))
    keypoints = corner + rng.uniform(0, 150, (5, 17, 2))
    return Poses(
        keypoints,
        rng.uniform(0.1, 0.9, 5),
        keypoint_scores=rng.uniform(0.1, 1.0, (5, 17)),
        boxes=np.concatenate([keypoints.min(1) - 5, keypoints.max(1) + 5], axis=1),
        image_size=(640, 480),
    )
