"""Every backend against the reference in torch, on the same input."""

import numpy as np
import pytest
import torch

from rcnet_rt.backends.choice import NAMES, ON_CPU, missing, open_backend
from rcnet_rt.models import rcnet
from rcnet_rt.rescoring import baselines, features, weights_io
from rcnet_rt.rescoring.inputs import PoseInputs, check
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from rcnet_rt.rescoring.rescore import refined_scores
from rcnet_rt.rescoring.score_reference import ScoreReference
from tests.helpers.networks import EMBEDDING_SIZE, random_weights

OPTIONAL = ("keypoint_scores", "boxes", "consensus", "agreement", "embeddings")
COUNTS = (0, 1, 20, 300)
BEST = "cuda" if torch.cuda.is_available() else "cpu"
DEVICE = {"numba": "cpu", "onnx": "cpu", "torch": BEST, "tensorrt": BEST}
TOLERANCES = {"numba": 2e-6, "onnx": 1e-5, "torch": 2e-6, "tensorrt": 5e-3}
SHIPPED = sorted(weights_io.available())
RANDOM = {
    f"{architecture} {feature_set} {skeleton}": (architecture, feature_set, skeleton)
    for architecture, feature_set, skeleton in [
        *(("attention", name, "coco17") for name in features.FEATURE_SETS),
        ("attention", "signals", "crowdpose14"),
        ("mlp", "dekr", "crowdpose14"),
        ("mlp", "full", "coco17"),
        ("linear", "full", "crowdpose14"),
    ]
}


on_cpu = pytest.mark.parametrize("kind", [name for name in ON_CPU if not missing(name)])


def weights_of(name):
    if name in RANDOM:
        architecture, feature_set, skeleton = RANDOM[name]
        return random_weights(architecture, feature_set, skeleton=skeleton)
    return weights_io.find(name)


def given_poses(weights, count, optional=OPTIONAL, seed=0):
    """Poses with joints that were not found, faults of every kind and scores below any floor."""
    rng = np.random.default_rng(seed)
    joints = 14 if weights.skeleton == "crowdpose14" else 17
    corner = rng.uniform(0, 600, (count, 1, 2))
    keypoints = corner + rng.uniform(0, 200, (count, joints, 2))
    keypoints[rng.random((count, joints)) < 0.2] = np.nan
    keypoints[rng.random(count) < 0.05] = np.nan
    keypoints[rng.random((count, joints)) < 0.02, 0] = np.nan  # half a joint is none
    scores = rng.choice([0.0, 0.01, 0.3, 0.6, 0.9], count) + rng.uniform(0, 0.09, count)
    columns = {
        "keypoint_scores": rng.random((count, joints)),
        "boxes": np.concatenate(
            [corner[:, 0] - 5, corner[:, 0] + rng.uniform(0, 250, (count, 2))], 1
        ),
        "consensus": rng.uniform(0, 1, (count, len(CONSENSUS))),
        "agreement": rng.uniform(0, 1, count),
        "embeddings": rng.normal(0, 1, (count, EMBEDDING_SIZE)),
    }
    columns["consensus"][rng.random(count) < 0.3] = np.nan
    columns["agreement"][rng.random(count) < 0.3] = np.nan
    columns["embeddings"][rng.random(count) < 0.3] = np.nan
    for column in (keypoints, scores, columns["keypoint_scores"], columns["boxes"]):
        flat = column.reshape(-1)
        wrong = rng.random(len(flat)) < 0.3 / max(len(flat) / max(count, 1), 1) / 4
        flat[wrong] = rng.choice(
            [np.inf, -np.inf, *([np.nan] * (column is not keypoints))], wrong.sum()
        )
    return check(PoseInputs(keypoints, scores, **{name: columns[name] for name in optional}))


def reference(weights, given):
    """The step in torch, in double precision except for the network."""
    network = rcnet.from_weights(weights)

    def scores(features, baseline, image_index):
        return network(features.float(), baseline.float(), image_index).double()

    with torch.inference_mode():
        return [a.numpy() for a in refined_scores(given.map(torch.tensor), weights, scores)]


def assert_equal(backend, weights, given, tolerance):
    refined, faulty = (np.asarray(array) for array in backend(given)[:2])
    expected, faults = reference(weights, given)
    np.testing.assert_array_equal(faulty, faults)
    np.testing.assert_allclose(refined, expected, rtol=0, atol=tolerance)
    assert len(refined) < 20 or np.ptp(refined) > 0.1, "poses that all score the same prove nothing"


@on_cpu
@pytest.mark.parametrize("name", [*SHIPPED, *RANDOM])
def test_a_backend_on_the_cpu_gives_the_numbers_of_the_reference(kind, name):
    weights = weights_of(name)
    backend = open_backend(weights, kind)
    for seed, count in enumerate(COUNTS):
        given = given_poses(weights, count, seed=seed)
        assert_equal(backend, weights, given, TOLERANCES[kind])
        images = np.sort(np.random.default_rng(seed).integers(0, 9, count)).astype(float)
        assert_equal(backend, weights, given._replace(image_index=images), TOLERANCES[kind])


@on_cpu
@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("optional", [(), ("keypoint_scores",), ("boxes",), ("agreement", "boxes")])
def test_a_backend_on_the_cpu_fills_what_is_absent_as_the_reference_does(kind, name, optional):
    weights = weights_of(name)
    given = given_poses(weights, 20, optional)
    assert_equal(open_backend(weights, kind), weights, given, TOLERANCES[kind])


@on_cpu
@pytest.mark.parametrize("architecture", ["attention", "mlp", "linear"])
def test_a_backend_on_the_cpu_puts_the_mean_in_the_place_of_absent_embeddings(kind, architecture):
    weights = random_weights(architecture, "paper+visual")
    some = tuple(name for name in OPTIONAL if name != "embeddings")
    without, known = given_poses(weights, 20, some), given_poses(weights, 20)
    assert_equal(open_backend(weights, kind), weights, without, TOLERANCES[kind])
    mean = np.tile(weights.tensors["standardise.mean"][-EMBEDDING_SIZE:], (20, 1))
    expected, _ = reference(weights, without._replace(embeddings=mean.astype(float)))
    np.testing.assert_allclose(reference(weights, without)[0], expected, rtol=0, atol=1e-6)
    assert np.abs(reference(weights, known)[0] - expected).max() > 0.01


@on_cpu
@pytest.mark.parametrize("baseline", baselines.BASELINES)
def test_a_backend_on_the_cpu_knows_every_formula(kind, baseline):
    weights = random_weights("linear", "full", baseline=baseline, baseline_scale=2.0)
    assert_equal(open_backend(weights, kind), weights, given_poses(weights, 20), TOLERANCES[kind])


@on_cpu
@pytest.mark.parametrize("baseline", [b for b, rule in baselines.BASELINES.items() if rule.ranked])
def test_a_backend_on_the_cpu_takes_a_reference(kind, baseline):
    weights = random_weights("linear", "confidence", baseline=baseline)
    reference = ScoreReference(np.array([0.1, 0.5, 0.9]), np.array([9.0, 2.0, 0.5]), 0.4)
    given = given_poses(weights, 20)._replace(reference=reference)
    assert_equal(open_backend(weights, kind), weights, given, TOLERANCES[kind])


@pytest.mark.parametrize("name", [name for name in NAMES[1:] if not missing(name, DEVICE[name])])
def test_every_backend_that_is_here_agrees_with_the_reference(name):
    weights = weights_of("yolo-pose")
    backend = open_backend(weights, name, DEVICE[name])
    assert backend.name == name
    for count in (1, 3, 20, 100, 300):
        given = given_poses(weights, count, ("keypoint_scores", "boxes"), seed=count)
        refined, faulty = (torch.as_tensor(array).cpu() for array in backend(given)[:2])
        expected, faults = reference(weights, given)
        np.testing.assert_array_equal(faulty, faults)
        np.testing.assert_allclose(refined, expected, rtol=0, atol=TOLERANCES[name])


def test_the_poses_of_the_test_hold_every_kind_of_fault():
    weights = weights_of(SHIPPED[0])
    given = given_poses(weights, 300)
    _, faulty = reference(weights, given)
    assert 30 < faulty.sum() < 200
    for array in given[:4]:
        assert not np.isfinite(array).all()


def test_torch_takes_numpy_and_tensors():
    weights = random_weights()
    given = given_poses(weights, 20)
    backend = open_backend(weights, "torch")
    assert_equal(backend, weights, given, 1e-12)
    single = given.map(lambda array: torch.tensor(array, dtype=torch.float32))
    refined = backend(single).scores
    assert refined.dtype == torch.float32
    np.testing.assert_allclose(refined.numpy(), reference(weights, given)[0], atol=1e-4)


def test_fields_of_the_value_are_in_their_order():
    given = PoseInputs(*range(8), image_size=(3, 4))
    assert given.map(lambda number: number + 1)[:8] == tuple(range(1, 9))
