"""What refining promises, looked for by Hypothesis in odd images: few in every run, many in slow.

`test_refiner.py` and `test_backends.py` have the examples; these are the rules behind them.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcnet_rt import Poses, PosesError, Refiner
from rcnet_rt.backends.choice import NAMES, missing
from rcnet_rt.datasets.results import poses_by_image, read_results
from rcnet_rt.poses.mirror import mirror
from rcnet_rt.poses.skeletons import COCO17, Skeleton
from rcnet_rt.rescoring import features, weights_io
from rcnet_rt.rescoring.batch import poses_to_batch
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from tests.helpers.networks import random_weights

# Coordinates and boxes are made up here, as no estimator would give them.
pytestmark = pytest.mark.filterwarnings("ignore::rcnet_rt.errors.PosesWarning")

FEW, MANY = 40, 1300
SIGNALS = ("consensus", "agreement")
OPTIONAL = ("keypoint_scores", "boxes", *SIGNALS)
BEST = "cuda" if torch.cuda.is_available() else "cpu"
DEVICES = {"numba": "cpu", "onnx": "cpu"} | dict.fromkeys(("torch", "tensorrt"), BEST)
TOLERANCES = {"numba": 5e-6, "onnx": 2e-5, "torch": 5e-6, "tensorrt": 5e-3}
HERE = [name for name in NAMES[1:] if not missing(name, DEVICES[name])]
# One pose at a time, and a base that no signal moves: what is known of one changes no rank.
ALONE = ("mlp signals beside", "linear full")
ALL_WEIGHTS = {name: weights_io.find(name) for name in sorted(weights_io.available())} | {
    "attention signals": random_weights("attention", "signals"),
    "mlp signals": random_weights("mlp", "signals", baseline="score_times_agreement"),
    "mlp signals beside": random_weights("mlp", "signals"),
    "linear full": random_weights("linear", "full"),
}


@cache
def refiner(name: str, backend: str = "auto") -> Refiner:
    device = "auto" if backend == "auto" else DEVICES[backend]
    return Refiner(ALL_WEIGHTS[name], backend=backend, device=device)


@st.composite
def images(draw, most: int = 8, least: int = 0, optional: tuple[str, ...] = OPTIONAL):
    """The arguments of `refine` for one image, read-only: its traits drawn, the rest at random.

    People of any size, or none, anywhere; equal poses and equal scores; joints, and what comes
    beside the scores, partly or wholly unknown.
    """
    count = draw(st.integers(least, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, place = draw(st.sampled_from([0, 0.01, 1, 200, 1e5])), draw(st.sampled_from([0, 600, -9]))
    corners = place * rng.random((count, 1, 2))
    keypoints = corners + size * rng.random((count, 17, 2))
    shares = st.sampled_from([0, 0.1, 0.5, 1])
    keypoints[rng.random((count, 17)) < draw(shares)] = np.nan
    keypoints[rng.random((count, 17)) < draw(shares) / 10, 1] = np.nan  # half a joint is none
    joint_scores = rng.choice([0, 1, *rng.random(9)], (count, 17))
    joint_scores[np.isnan(keypoints).any(2) & (rng.random((count, 17)) < 0.5)] = np.nan
    step = draw(st.sampled_from([0.5, 0.1, 1e-9]))  # a coarse one makes equal scores
    sides = rng.uniform(-0.1, 2, (count, 2))
    given = {
        "keypoints": keypoints,
        "scores": np.round(rng.uniform(-0.1, 1.1, count) / step) * step,
        "keypoint_scores": joint_scores,
        "boxes": np.hstack([corners[:, 0], corners[:, 0] + size * sides]),
        "consensus": rng.uniform(-1, 2, (count, len(CONSENSUS))),
        "agreement": rng.uniform(-0.2, 1.2, count),
    }
    for name in SIGNALS:
        given[name][rng.random(count) < draw(shares)] = np.nan
    if count > 1 and draw(st.booleans()):
        for array in given.values():
            array[-1] = array[0]
    if count:
        huge = draw(st.sampled_from([None, None, *given]))
        if huge is not None:  # legal, up to the largest there is
            places = given[huge].reshape(count, -1)
            places[0, -1] += draw(st.sampled_from([9e14, -9e14]))  # unknown stays unknown
    for array in given.values():
        array.flags.writeable = False
    absent = set(OPTIONAL) - draw(st.sets(st.sampled_from(optional)))
    size_known = {"image_size": (640, 480)} if draw(st.booleans()) else {}
    return {name: array for name, array in given.items() if name not in absent} | size_known


NAMED = st.sampled_from(sorted(ALL_WEIGHTS))
SEEDS = st.integers(0, 2**32 - 1)


def changed(image: dict, change) -> dict:
    """Change every array."""
    return {n: change(v) if n != "image_size" else v for n, v in image.items()}


def tensors(image: dict) -> dict:
    return changed(image, torch.tensor)


def as_poses(image: dict) -> Poses:
    return Poses(**image)


def assert_scores(refined, count: int) -> None:
    refined = np.asarray(refined)
    assert refined.shape == (count,)
    assert np.isfinite(refined).all()
    assert ((refined >= 0) & (refined <= 1)).all()


@given(NAMED, st.sampled_from(HERE[:2]), images())
def scores_are_in_the_unit_interval_and_inputs_untouched(name, backend, image):
    before = changed(image, bytes)
    refined = refiner(name, backend).refine(**image)
    assert_scores(refined, len(image["scores"]))
    again = refiner(name, backend).refine(**image)
    np.testing.assert_array_equal(again, refined)
    as_tensors = tensors(image)
    refiner(name, backend).refine(**as_tensors)
    assert changed(image, bytes) == before
    assert changed(as_tensors, lambda tensor: bytes(tensor.numpy())) == before


@given(NAMED, st.sampled_from(HERE[:2]), images(), SEEDS)
def permuting_poses_permutes_scores(name, backend, image, seed):
    order = np.random.default_rng(seed).permutation(len(image["scores"]))
    refined = refiner(name, backend).refine(**image)
    permuted = refiner(name, backend).refine(**changed(image, lambda array: array[order]))
    np.testing.assert_allclose(permuted, refined[order], rtol=0, atol=1e-5)


@given(NAMED, st.lists(images(most=5), max_size=5))
def a_batch_gives_the_numbers_of_one_by_one(name, many):
    poses = [as_poses(image) for image in many]
    for rule in ("raise", "raw", "drop"):
        together = refiner(name).batch(poses, on_error=rule)
        assert len(together) == len(poses)
        for one, batched in zip(poses, together, strict=True):
            alone = refiner(name)(one)
            np.testing.assert_allclose(batched.scores, alone.scores, rtol=0, atol=2e-6)
            np.testing.assert_array_equal(batched.keypoints, one.keypoints)
            np.testing.assert_array_equal(batched.raw_scores, one.scores)


def in_single_precision(array):
    """What an estimator gives: a pose of a hundredth of a pixel looks the same to all then."""
    return array.astype(np.float32).astype(array.dtype)


@given(NAMED, images())
def every_kind_of_array_and_every_backend_agree(name, image):
    image = changed(image, in_single_precision)
    expected = refiner(name, "torch").refine(**image)
    for backend in HERE:
        for given_ in (image, tensors(image)):
            got = refiner(name, backend).refine(**given_)
            assert isinstance(got, type(given_["scores"]))
            np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCES[backend])


@given(NAMED, images(optional=("keypoint_scores", "boxes")), st.sampled_from(HERE[:2]))
def what_is_wholly_unknown_is_what_is_absent(name, image, backend):
    count = len(image["scores"])
    nothing = {
        "consensus": np.full((count, len(CONSENSUS)), np.nan),
        "agreement": np.full(count, np.nan),
    }
    expected = refiner(name, backend).refine(**image)
    for known in ({n: nothing[n]} for n in nothing):
        got = refiner(name, backend).refine(**image, **known)
        np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCES["onnx"])


@given(st.sampled_from(ALONE), images(least=1), st.sampled_from(SIGNALS))
def a_signal_moves_only_the_poses_that_have_it(name, image, signal):
    without = {key: value for key, value in image.items() if key != signal}
    refined = refiner(name).refine(**image)
    plain = refiner(name).refine(**without)
    if signal in image:
        unknown = np.isnan(image[signal].reshape(len(plain), -1)).any(1)
        np.testing.assert_allclose(
            refined[unknown], plain[unknown], rtol=0, atol=TOLERANCES["onnx"]
        )
    else:
        np.testing.assert_array_equal(refined, plain)


TOO_FAR = (np.inf, -np.inf, 1e15, -1e300)
FAULTS = {
    "scores": (np.nan, *TOO_FAR),
    "keypoints": TOO_FAR,
    "keypoint_scores": (np.nan, *TOO_FAR),
    "boxes": (np.nan, *TOO_FAR),
}


@given(NAMED, images(least=1), st.data())
def a_fault_raises_or_gets_its_rule_and_touches_nobody_else(name, image, data):
    count, step = len(image["scores"]), refiner(name)
    place = data.draw(st.sampled_from([field for field in FAULTS if field in image]))
    value = data.draw(st.sampled_from(FAULTS[place]))
    pose = data.draw(st.integers(0, count - 1))
    keypoints = image["keypoints"].copy()
    keypoints[pose, 3] = 7.0  # found, so that its joint score counts
    image = {**image, "keypoints": keypoints}
    wrong = image[place].copy()
    wrong.reshape(count, -1)[pose, 3 if place == "keypoint_scores" else -1] = value
    image[place] = wrong
    others = np.arange(count) != pose
    raw = np.clip(np.nan_to_num(image["scores"][pose], nan=0.0), 0, 1)
    expected = step.refine(**changed(image, lambda array: array[others]), on_error="raw")
    with pytest.raises(PosesError, match=f"pose {pose}: "):
        step.refine(**image)
    for rule, own in (("raw", raw), ("drop", 0.0)):
        for given_ in (image, tensors(image)):
            got = np.asarray(step.refine(**given_, on_error=rule))
            assert_scores(got, count)
            assert got[pose] == pytest.approx(own)
            np.testing.assert_allclose(got[others], expected, rtol=0, atol=TOLERANCES["onnx"])


def mirror_matrix(feature_set: str) -> np.ndarray:
    """(D, D) features of a pose -> features of its mirror image: a permutation with signs."""
    names = features.get(feature_set).names(COCO17)
    joints = COCO17.keypoints
    other = {joints[i]: joints[j] for i, j in enumerate(COCO17.flip_order)}
    matrix = np.zeros((len(names), len(names)))
    for row, name in enumerate(names):
        kind, _, rest = name.partition(" ")
        sign, partner = 1.0, name
        if kind == "score":
            partner = f"score {other[rest]}"
        elif kind in ("dx", "dy", "length") and "-" in rest:
            first, second = (other[joint] for joint in rest.split("-"))
            turned = f"{kind} {first}-{second}" not in names
            partner = f"{kind} {second}-{first}" if turned else f"{kind} {first}-{second}"
            sign = -1.0 if turned == (kind == "dy") and kind != "length" else 1.0
        matrix[row, names.index(partner)] = sign
    return matrix


def symmetric_weights(architecture: str, feature_set: str):
    """Return random weights that cannot tell left from right."""
    weights = random_weights(architecture, feature_set)
    matrix = mirror_matrix(feature_set).astype(np.float32)
    first = {"attention": "phi.weight", "mlp": "layers.0.weight", "linear": "head.weight"}
    tensors_ = dict(weights.tensors)
    for name in (first[architecture], "shortcut.weight"):
        if name in tensors_:
            tensors_[name] = (tensors_[name] + tensors_[name] @ matrix) / 2
    mean, deviation = tensors_["standardise.mean"], tensors_["standardise.deviation"]
    tensors_["standardise.mean"] = (mean + matrix @ mean) / 2
    tensors_["standardise.deviation"] = (deviation + abs(matrix) @ deviation) / 2
    return replace(weights, tensors=tensors_)


SYMMETRIC = {
    f"{architecture} {feature_set}": Refiner(symmetric_weights(architecture, feature_set))
    for architecture, feature_set in (("attention", "full"), ("mlp", "paper"), ("linear", "dekr"))
}


@given(st.sampled_from(sorted(SYMMETRIC)), images(optional=("keypoint_scores", "boxes")))
def a_mirrored_image_gets_the_scores_of_symmetric_weights(name, image):
    """Shipped weights have seen mirrors but are not symmetric; all around the network is."""
    poses = as_poses(changed(image, whole))
    seen = mirror(poses, COCO17, 640)
    matrix = mirror_matrix("paper")
    baseline = np.zeros(len(poses))
    plain, turned = (features.paper(poses_to_batch(p), COCO17, baseline) for p in (poses, seen))
    np.testing.assert_allclose(turned, plain @ matrix.T, rtol=0, atol=1e-6)
    refined, mirrored = (SYMMETRIC[name](p).scores for p in (poses, seen))
    np.testing.assert_allclose(mirrored, refined, rtol=0, atol=1e-5)


def whole(array: np.ndarray) -> np.ndarray:
    """Move coordinates onto a grid of 1/64 pixel, so that a mirror rounds nothing off."""
    return np.round(array * 64) / 64


@given(NAMED, st.lists(images(least=1, most=6), min_size=3, max_size=8))
def many_threads_give_the_numbers_of_one(name, many):
    step = Refiner(ALL_WEIGHTS[name])  # fresh: its graphs are built while others wait
    expected = [refiner(name).refine(**image) for image in many]
    wrong = []

    def work(offset: int) -> None:
        for index in np.roll(np.arange(len(many)), offset):
            got = step.refine(**many[index])
            if not np.allclose(got, expected[index], rtol=0, atol=TOLERANCES["onnx"]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


PROPERTIES = {
    check.__name__: check
    for check in (
        scores_are_in_the_unit_interval_and_inputs_untouched,
        permuting_poses_permutes_scores,
        a_batch_gives_the_numbers_of_one_by_one,
        every_kind_of_array_and_every_backend_agree,
        what_is_wholly_unknown_is_what_is_absent,
        a_signal_moves_only_the_poses_that_have_it,
        a_fault_raises_or_gets_its_rule_and_touches_nobody_else,
        a_mirrored_image_gets_the_scores_of_symmetric_weights,
        many_threads_give_the_numbers_of_one,
    )
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_that(name: str) -> None:
    settings(max_examples=FEW)(PROPERTIES[name])()


@pytest.mark.slow
@pytest.mark.parametrize("name", PROPERTIES)
def test_in_many_cases_that(name: str) -> None:
    few = PROPERTIES[name] is many_threads_give_the_numbers_of_one  # each builds its graphs anew
    settings(max_examples=MANY // 10 if few else MANY)(PROPERTIES[name])()


@pytest.mark.parametrize("name", ALL_WEIGHTS)
def test_a_thousand_poses(name: str) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 2000, (1000, 1, 2))
    image = {
        "keypoints": corners + rng.uniform(0, 200, (1000, 17, 2)),
        "scores": rng.random(1000).round(2),
        "keypoint_scores": rng.random((1000, 17)),
    }
    refined = refiner(name).refine(**image)
    assert_scores(refined, 1000)
    order = rng.permutation(1000)
    permuted = refiner(name).refine(**changed(image, lambda array: array[order]))
    np.testing.assert_allclose(permuted, refined[order], rtol=0, atol=1e-5)
    eager = refiner(name, "torch").refine(**tensors(image))
    np.testing.assert_allclose(eager, refined, rtol=0, atol=TOLERANCES["onnx"])
    many = refiner(name).batch([as_poses(image)] * 2)
    for poses in many:
        np.testing.assert_allclose(poses.scores, refined, rtol=0, atol=1e-4)  # float32 scores


@pytest.mark.parametrize(
    ("weights", "file"),
    [("yolo-pose", "yolov8n-pose"), ("lightweight-openpose", "lightweight-openpose")],
)
def test_shipped_weights_know_a_mirror_image(weights: str, file: str, shared_data: Path) -> None:
    """Not exactly, since training mirrors at random; but far better than sides left unswapped."""
    entries = read_results(shared_data / "predictions" / f"{file}_val2017.json.gz")
    known = [item.poses for item in poses_by_image(entries, COCO17).values()][:300]

    def moved(skeleton: Skeleton) -> float:
        step, seen = refiner(weights), [mirror(poses, skeleton, 640) for poses in known]
        before, after = (
            np.concatenate([poses.scores for poses in step.batch(some)]) for some in (known, seen)
        )
        raw = np.concatenate([poses.scores for poses in known])
        return float(np.abs(after - before)[raw >= 0.05].mean())

    unswapped = moved(replace(COCO17, flip_pairs=()))
    assert moved(COCO17) < min(0.02, unswapped / 1.5)
