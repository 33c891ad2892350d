"""The fused kernel against the reference: on a GPU, or in Triton's interpreter where is none."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from rcnet_rt.backends import auto, missing, open_backend
from tests.networks import random_weights
from tests.test_backends import SHIPPED, assert_equal, given_poses, weights_of

pytest.importorskip("triton")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter's, at inf - inf
TOLERANCE = 1e-4
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
runs = pytest.mark.skipif(DEVICE == "cpu" and not INTERPRETED, reason="the first test runs these")


@pytest.mark.skipif(DEVICE == "cuda" or INTERPRETED, reason="there is no need of the interpreter")
def test_all_below_in_the_interpreter():
    """Triton must be told before it is imported, so in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", __file__],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@runs
@pytest.mark.parametrize("optional", [(), ("keypoint_scores", "boxes")])
@pytest.mark.parametrize("name", SHIPPED)
def test_it_gives_the_numbers_of_the_reference(name, optional):
    weights = weights_of(name)
    backend = open_backend(weights, "triton", DEVICE)
    assert backend.name == "triton"
    for count in (0, 1, 20, 32):
        given = given_poses(weights, count, optional, seed=count)
        assert_equal(backend, weights, given, TOLERANCE)


@runs
@pytest.mark.parametrize("architecture", ["attention", "mlp", "linear"])
@pytest.mark.parametrize("feature_set", ["dekr", "paper", "full"])
@pytest.mark.parametrize("skeleton", ["coco17", "crowdpose14"])
def test_it_knows_every_architecture(architecture, feature_set, skeleton):
    weights = random_weights(architecture, feature_set, skeleton=skeleton)
    backend = open_backend(weights, "triton", DEVICE)
    given = given_poses(weights, 20, ("keypoint_scores", "boxes"))
    assert_equal(backend, weights, given, TOLERANCE)


@runs
def test_many_images_and_many_poses_go_to_torch():
    weights = random_weights()
    backend = open_backend(weights, "triton", DEVICE)
    assert_equal(backend, weights, given_poses(weights, 300), TOLERANCE)
    images = np.repeat(np.arange(5.0), 4)
    assert_equal(backend, weights, given_poses(weights, 20)._replace(image_index=images), TOLERANCE)


@pytest.mark.skipif(DEVICE == "cuda" or INTERPRETED, reason="the kernel can run")
def test_without_a_gpu_it_says_so():
    assert "needs a GPU" in missing("triton")
    with pytest.warns(UserWarning, match=f"{auto()[0]} runs instead"):
        assert open_backend(random_weights(), "triton").name == auto()[0]
