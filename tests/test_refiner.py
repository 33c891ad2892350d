"""`refine` and `Refiner`: what they promise, on random, real and hostile input."""

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.gpu.people import people
from rcnet_rt import BackendError, Poses, PosesError, Refiner, WeightsError, refine
from rcnet_rt.backends.choice import missing
from tests.helpers.networks import EMBEDDING_SIZE, KINDS, random_weights

# Coordinates and boxes are made up here, as no estimator would give them.
pytestmark = pytest.mark.filterwarnings("ignore::rcnet_rt.errors.PosesWarning")

BACKENDS = [name for name in ("numba", "onnx", "torch") if not missing(name)]
REFINERS = {
    f"{architecture}-{features}-{backend}": Refiner(
        random_weights(architecture, features), backend=backend
    )
    for architecture, features in KINDS
    for backend in BACKENDS
} | {"baseline": Refiner("formula:score_times_joints")}


@pytest.fixture(params=REFINERS)
def refiner(request):
    return REFINERS[request.param]


@st.composite
def frames(draw, most=8):
    """Keypoints (some not found), scores and joint scores of an image."""
    count = draw(st.integers(0, most))
    floats = st.floats(-1000, 5000, width=32)
    # Single precision squares away what is 1e-30 of a pixel; no estimator gives that.
    keypoints = draw(arrays(np.float64, (count, 17, 2), elements=floats)).round(3)
    missing = draw(arrays(np.bool_, (count, 17)))
    keypoints[missing] = np.nan
    unit = st.floats(0, 1, width=32)
    scores = draw(arrays(np.float64, count, elements=unit))
    return keypoints, scores, draw(arrays(np.float64, (count, 17), elements=unit))


NAMES = st.sampled_from(sorted(REFINERS))


@settings(deadline=None, max_examples=60)
@given(NAMES, frames())
def test_scores_are_finite_in_the_unit_interval_and_inputs_untouched(name, frame):
    keypoints, scores, joint = (array.copy() for array in frame)
    refined = REFINERS[name].refine(keypoints, scores, keypoint_scores=joint)
    assert refined.shape == scores.shape
    assert np.isfinite(refined).all()
    assert ((refined >= 0) & (refined <= 1)).all()
    for before, after in zip(frame, (keypoints, scores, joint), strict=True):
        np.testing.assert_array_equal(before, after)


@settings(deadline=None, max_examples=60)
@given(NAMES, frames(), st.randoms(use_true_random=False))
def test_permuting_poses_permutes_scores(name, frame, random):
    order = list(range(len(frame[1])))
    random.shuffle(order)
    refined = REFINERS[name].refine(*frame[:2], keypoint_scores=frame[2])
    keypoints, scores, joint = (array[order] for array in frame)
    permuted = REFINERS[name].refine(keypoints, scores, keypoint_scores=joint)
    np.testing.assert_allclose(permuted, refined[order], atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(frames(), st.floats(0.05, 20), st.floats(-3000, 3000))
def test_paper_features_do_not_notice_scale_and_place(frame, factor, shift):
    keypoints, scores, joint = frame
    keypoints = np.round(keypoints)  # so that the change itself rounds nothing off
    refiner = REFINERS["attention-paper-onnx"]
    refined = refiner.refine(keypoints, scores, keypoint_scores=joint)
    changed = refiner.refine(keypoints * factor + shift, scores, keypoint_scores=joint)
    np.testing.assert_allclose(changed, refined, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(NAMES, st.lists(frames(4), max_size=5))
def test_a_batch_gives_the_numbers_of_one_by_one(name, images):
    poses = [Poses(k, s, keypoint_scores=c) for k, s, c in images]
    refiner = REFINERS[name]
    for together, image in zip(refiner.batch(poses), poses, strict=True):
        np.testing.assert_allclose(together.scores, refiner(image).scores, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(KINDS), frames())
def test_numpy_and_torch_on_both_backends_agree(kind, frame):
    keypoints, scores, joint = frame
    expected = None
    for backend in BACKENDS:
        refiner = REFINERS[f"{kind[0]}-{kind[1]}-{backend}"]
        numpy = refiner.refine(keypoints, scores, keypoint_scores=joint)
        tensors = [torch.tensor(array) for array in frame]
        tensor = refiner.refine(*tensors[:2], keypoint_scores=tensors[2])
        assert isinstance(numpy, np.ndarray)
        assert isinstance(tensor, torch.Tensor)
        expected = numpy if expected is None else expected
        np.testing.assert_allclose(numpy, expected, atol=1e-5)
        np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-5)


def some(count=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 300, (count, 17, 2)), rng.uniform(0.1, 1, count)


@pytest.mark.parametrize("backend", BACKENDS)
def test_visual_weights_take_poses_with_embeddings_and_without(backend):
    keypoints, scores = some()
    embeddings = np.random.default_rng(1).normal(0, 1, (6, EMBEDDING_SIZE))
    refiner = Refiner(random_weights("attention", "paper+visual"), backend=backend)
    seen = refiner.refine(keypoints, scores, embeddings=embeddings)
    blind = refiner.refine(keypoints, scores)
    nothing = refiner.refine(keypoints, scores, embeddings=embeddings * np.nan)
    np.testing.assert_allclose(blind, nothing, atol=1e-6)
    assert np.abs(seen - blind).max() > 0.01
    poses = Poses(keypoints, scores)
    both = refiner.batch([poses, replace(poses, embeddings=embeddings), Poses.empty(17)])
    for got, expected in zip(both, (blind, seen, []), strict=True):
        np.testing.assert_allclose(got.scores, expected, atol=1e-6)
    wrong = replace(poses, embeddings=embeddings[:, :4])
    for call in (lambda: refiner(wrong), lambda: refiner.batch([wrong, poses])):
        with pytest.raises(PosesError, match="are for embeddings of 6 values, got 4"):
            call()
    with pytest.raises(PosesError, match="are for embeddings of 6 values, got 4"):
        refiner.refine(keypoints, scores, embeddings=embeddings[:, :4])
    plain = Refiner(random_weights(), backend=backend)
    np.testing.assert_allclose(
        plain.refine(keypoints, scores, embeddings=embeddings),
        plain.refine(keypoints, scores),
        atol=1e-6,
    )


def test_the_promise_of_the_readme_holds():
    keypoints, scores = some(5)
    assert refine(keypoints, scores).shape == (5,)
    assert refine(keypoints.tolist(), scores.tolist()).dtype == np.float64
    assert refine(np.zeros((0, 17, 2)), np.zeros(0)).shape == (0,)


def test_the_floating_type_comes_back():
    keypoints, scores = some()
    for dtype in (np.float32, np.float64, np.float16):
        assert refine(keypoints, scores.astype(dtype)).dtype == dtype
    assert refine(keypoints, np.ones(6, int)).dtype == np.float32
    assert refine(torch.tensor(keypoints), torch.tensor(scores).float()).dtype == torch.float32


def test_a_third_column_is_the_joint_scores(refiner):
    keypoints, scores = some()
    joint = np.random.default_rng(1).random((6, 17))
    both = np.concatenate([keypoints, joint[..., None]], axis=2)
    separate = refiner.refine(keypoints, scores, keypoint_scores=joint)
    np.testing.assert_allclose(refiner.refine(both, scores), separate, atol=1e-6)
    with pytest.raises(PosesError, match="joint scores came twice"):
        refiner.refine(both, scores, keypoint_scores=joint)


def test_a_tensor_that_requires_a_gradient_is_welcome(refiner):
    keypoints, scores = some()
    tensor = torch.tensor(scores, requires_grad=True)
    refined = refiner.refine(torch.tensor(keypoints, requires_grad=True), tensor)
    assert not refined.requires_grad
    np.testing.assert_allclose(refined.numpy(), refiner.refine(keypoints, scores), atol=2e-6)


def faults():
    for place in ("score NaN", "score inf", "joint inf", "box NaN", "joint score NaN"):
        keypoints, scores = some()
        joint, boxes = np.full((6, 17), 0.5), np.tile([0.0, 0, 99, 99], (6, 1))
        if place == "score NaN":
            scores[2] = np.nan
        elif place == "score inf":
            scores[2] = np.inf
        elif place == "joint inf":
            keypoints[2, 5, 0] = -np.inf
        elif place == "box NaN":
            boxes[2, 1] = np.nan
        else:
            joint[2, 4] = np.nan
        yield pytest.param(keypoints, scores, joint, boxes, id=place)


@pytest.mark.parametrize(("keypoints", "scores", "joint", "boxes"), list(faults()))
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_value_faults_raise_or_get_their_rule(refiner, kind, keypoints, scores, joint, boxes):
    def refined(rows, **options):
        given = [kind(array[rows]) for array in (keypoints, scores, joint, boxes)]
        result = refiner.refine(*given[:2], keypoint_scores=given[2], boxes=given[3], **options)
        return np.asarray(result)

    with pytest.raises(PosesError, match="pose 2"):
        refined(slice(None))
    others = [0, 1, 3, 4, 5]
    expected = refined(others)
    raw = np.clip(np.nan_to_num(scores[2], nan=0.0, posinf=1.0), 0, 1)
    for rule, value in (("raw", raw), ("drop", 0.0)):
        got = refined(slice(None), on_error=rule)
        np.testing.assert_allclose(got[others], expected, atol=2e-6)
        assert got[2] == pytest.approx(value)


def test_poses_below_the_floor_stay_below_all_others_in_their_order(refiner):
    if refiner.weights.is_baseline:
        pytest.skip("a baseline has no floor")
    keypoints, _ = some(9)
    scores = np.array([0.9, 0.01, 0.2, 0.049, 0.05, 0.003, 0.5, 0.0, 0.06])
    refined = refiner.refine(keypoints, scores)
    low = scores < 0.05
    assert refined[low].max() < refined[~low].min()
    assert (np.argsort(refined[low]) == np.argsort(scores[low])).all()
    np.testing.assert_allclose(
        refined[~low], refiner.refine(keypoints[~low], scores[~low]), atol=2e-6
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": np.zeros((6, 16, 2))}, "are for coco17 with 17 keypoints, got poses of 16"),
        ({"keypoints": np.zeros((6, 17))}, r"expected shape \(N, K, 2\) or \(N, K, 3\)"),
        ({"scores": np.zeros(5)}, r"scores: expected shape \(6,\)"),
        ({"keypoint_scores": np.zeros((6, 16))}, r"expected shape \(6, 17\)"),
        ({"boxes": np.zeros((5, 4))}, r"expected shape \(6, 4\)"),
        ({"image_size": (0, 3)}, "above 0"),
        ({"image_size": 3}, "width, height"),
        ({"on_error": "ignore"}, "raise, raw, drop"),
        ({"scores": ["high"] * 6}, "arrays of numbers"),
    ],
)
def test_shape_faults_are_told(change, message):
    given = {"keypoints": np.zeros((6, 17, 2)), "scores": np.zeros(6), **change}
    with pytest.raises(PosesError, match=message):
        REFINERS["attention-paper-onnx"].refine(**given)


def test_poses_go_to_the_refiner_itself(random_poses):
    refiner = REFINERS["attention-full-onnx"]
    with pytest.raises(PosesError, match=r"refiner\(poses\)"):
        refiner.refine(random_poses, random_poses.scores)
    refined = refiner(random_poses)
    assert np.array_equal(refined.keypoints, random_poses.keypoints, equal_nan=True)
    assert np.array_equal(refined.raw_scores, random_poses.scores)
    again = refiner(refined)
    assert np.array_equal(again.scores, refined.scores), "refining twice starts from the raw scores"


def test_unknown_weights_and_backends_are_told():
    with pytest.raises(WeightsError, match="unknown weights"):
        Refiner("nobody")
    with pytest.raises(BackendError, match="auto, numba, onnx, torch, tensorrt"):
        Refiner(random_weights(), backend="abacus")
    with pytest.raises(BackendError, match="onnx runs on the CPU"):
        Refiner(random_weights(), backend="onnx", device="cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_gpu_is_told():
    with pytest.raises(BackendError, match="device 'cuda' cannot be used"):
        Refiner(random_weights(), device="cuda")


@pytest.mark.gpu
def test_tensors_on_a_gpu_stay_there():
    keypoints, scores = some()
    refined = Refiner(random_weights()).refine(
        torch.tensor(keypoints).cuda().float(), torch.tensor(scores).cuda().float()
    )
    assert refined.is_cuda
    expected = REFINERS["attention-paper-torch"].refine(keypoints, scores)
    np.testing.assert_allclose(refined.cpu().numpy(), expected, atol=1e-4)


@pytest.mark.gpu
def test_refining_on_a_gpu_neither_waits_nor_copies_to_the_host():
    from torch.profiler import ProfilerActivity, profile

    keypoints, scores = (torch.tensor(array).cuda().float() for array in some())
    refiner = Refiner(random_weights(), device="cuda")
    refiner.refine(keypoints, scores)
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        torch.cuda.set_sync_debug_mode("error")
        try:
            refiner.refine(keypoints, scores)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()
    copies = [event.name for event in profiler.events() if event.name.startswith("Memcpy")]
    assert copies
    assert not [name for name in copies if "DtoH" in name or "HtoD" in name]


@pytest.mark.gpu
def test_a_batch_on_a_gpu_is_the_same_as_one_by_one():
    refiner = Refiner("yolo-pose", device="cuda")
    images = [people(count % 30, seed=count) for count in range(100)]
    for poses, refined in zip(images, refiner.batch(images), strict=True):
        np.testing.assert_allclose(refined.scores, refiner(poses).scores, atol=2e-6)


def test_it_may_be_called_from_many_threads(refiner):
    images = [some(5, seed) for seed in range(20)]
    expected = [refiner.refine(*image) for image in images]
    wrong = []

    def work():
        for image, one in zip(images, expected, strict=True):
            # torch splits sums by the threads that it has to itself, so not to the bit
            if not np.allclose(refiner.refine(*image), one, rtol=0, atol=1e-6):
                wrong.append(image)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_real_poses_rank_the_same_on_all_backends(shared_data):
    from rcnet_rt.datasets.results import poses_by_image, read_results
    from rcnet_rt.poses.skeletons import COCO17

    entries = read_results(shared_data / "predictions" / "yolov8n-pose_val2017.json.gz")
    images = [item.poses for item in poses_by_image(entries, COCO17).values()][:40]
    onnx, eager = (
        np.concatenate([p.scores for p in REFINERS[f"attention-full-{b}"].batch(images)])
        for b in ("onnx", "torch")
    )
    np.testing.assert_allclose(onnx, eager, atol=2e-6)


def test_refine_on_numpy_needs_no_torch():
    code = (
        "import sys, numpy as np, rcnet_rt;"
        "assert 'torch' not in sys.modules and 'cv2' not in sys.modules;"
        "from rcnet_rt import refine;"
        "refine(np.zeros((1, 17, 2)), np.ones(1));"
        "assert 'torch' not in sys.modules and 'ultralytics' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr in ("", "compiling rescore_poses for this CPU, once: some seconds\n")
