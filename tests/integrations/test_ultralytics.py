"""ultralytics: its results stay as they are, to the bit, but for the scores."""

from __future__ import annotations

import copy
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import rcnet_rt
from rcnet_rt import Poses, Refiner, estimators
from rcnet_rt.datasets.coco import Dataset, load_ground_truth
from rcnet_rt.datasets.files import read_json
from rcnet_rt.datasets.results import poses_by_image, poses_to_entries, read_results, scores_of
from rcnet_rt.errors import EstimatorError, MissingPackageError, WeightsError
from rcnet_rt.evaluation.average_precision import AveragePrecision
from rcnet_rt.integrations import ultralytics as integration
from rcnet_rt.integrations.ultralytics import RefinedBoxes, attach, detach
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring import weights_io
from rcnet_rt.video.source import open_source
from rcnet_rt.workflows.dataset import find_images
from tests.helpers.joints import JointRefiner, with_joint_estimates
from tests.helpers.networks import random_weights

pytestmark = pytest.mark.filterwarnings("ignore")  # ultralytics' and OpenVINO's own

SPLIT = "val2017"
ALONE = "formula:score_times_confidence"  # looks at no signals, which files may not have


@pytest.fixture(scope="module")
def loaded(shared_data: Path) -> Any:
    """The shared YOLO-Pose model; loading it takes a second."""
    pytest.importorskip("openvino")
    from ultralytics import YOLO

    return YOLO(str(shared_data / "models" / "yolov8n-pose_int8_openvino_model"), task="pose")


@pytest.fixture
def model(loaded: Any) -> Any:
    yield loaded
    detach(loaded).reset_callbacks()  # `track` leaves its own behind


@pytest.fixture
def video(shared_data: Path) -> str:
    return str(shared_data / "videos" / "people.mp4")


def predict(model: Any, source: Any, conf: float = 0.05, **more: Any) -> list[Any]:
    return list(model.predict(source, conf=conf, verbose=False, **more))


def assert_refined(before: list[Any], after: list[Any]) -> None:
    assert len(before) == len(after) > 0
    refiner = Refiner(ALONE)
    for raw, refined in zip(before, after, strict=True):
        assert torch.equal(raw.keypoints.data, refined.keypoints.data)
        assert torch.equal(raw.boxes.xyxy, refined.boxes.xyxy)
        assert torch.equal(raw.boxes.conf, refined.boxes.raw_conf)
        expected = refiner(Poses.from_ultralytics(raw)).scores
        np.testing.assert_allclose(refined.boxes.conf.numpy(), expected, atol=1e-6)
        assert not np.array_equal(expected, raw.boxes.conf.numpy())


@pytest.mark.parametrize("stream", [False, True])
def test_predict_on_a_video(model: Any, video: str, stream: bool) -> None:
    before = predict(model, video, stream=stream)
    assert attach(model, ALONE) is model
    after = predict(model, video, stream=stream)
    assert_refined(before, after)
    assert detach(model) is model
    for raw, again in zip(before, predict(model, video), strict=True):
        assert torch.equal(raw.boxes.data, again.boxes.data)
        assert type(again.boxes) is type(raw.boxes)


def test_the_callers_own_threshold_stays_that_of_the_raw_score(model: Any, video: str) -> None:
    attach(model)
    for result in predict(model, video, conf=0.5):
        assert len(result) > 0
        assert (result.boxes.raw_conf >= 0.5).all()


def test_images_without_anybody(model: Any) -> None:
    attach(model)
    (result,) = predict(model, np.zeros((64, 64, 3), np.uint8))
    assert result.boxes.conf.shape == result.boxes.raw_conf.shape == (0,)


def test_attaching_twice_refines_once(model: Any, video: str) -> None:
    before = predict(model, video)
    attach(attach(model, "yolo-pose"), ALONE)
    assert_refined(before, predict(model, video))
    predict(detach(model), video)
    assert not any(
        type(getattr(callback, "__self__", None)).__name__ == "_Hooks"
        for callbacks in model.callbacks.values()
        for callback in callbacks
    )


def test_weights_that_look_at_the_candidates_see_them(
    model: Any, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    estimator = estimators.load(name, floor=0.05)
    weights = random_weights("mlp", "signals")
    monkeypatch.setattr(weights_io, "find", lambda _: weights)
    with open_source(str(shared_data / "videos" / "people.mp4")) as source:
        images = [frame.image_bgr for frame in source][:2]
    refiner = Refiner(weights)
    for pixels in images:
        (result,) = predict(attach(model), pixels)
        poses = estimator.estimate(pixels)
        assert poses.consensus is not None
        np.testing.assert_allclose(result.boxes.conf.numpy(), refiner(poses).scores, atol=1e-5)
        without = refiner(replace(poses, consensus=None)).scores
        assert np.abs(without - refiner(poses).scores).max() > 1e-3
    detach(model)
    assert model.predictor.postprocess.__self__ is model.predictor


def test_track(model: Any, video: str) -> None:
    pytest.importorskip("lap", reason="ultralytics tracks with the package lap")

    def track() -> list[Any]:
        return list(model.track(video, stream=True, verbose=False))

    before = track()
    untracked = predict(attach(model), video, conf=0.1)
    after = track()
    assert any(result.boxes.id is not None for result in after)
    for raw, refined, everyone in zip(before, after, untracked, strict=True):
        assert torch.equal(raw.keypoints.data, refined.keypoints.data)
        assert torch.equal(raw.boxes.conf, refined.boxes.raw_conf)
        if raw.boxes.id is None:
            assert refined.boxes.id is None
            continue
        assert torch.equal(raw.boxes.id, refined.boxes.id)
        known = {pose.numpy().tobytes(): i for i, pose in enumerate(everyone.keypoints.data)}
        places = [known[pose.numpy().tobytes()] for pose in refined.keypoints.data]
        assert torch.equal(refined.boxes.conf, everyone.boxes.conf[places])


def test_boxes_keep_the_raw_scores_wherever_they_go(model: Any, video: str) -> None:
    result = predict(attach(model), video)[0]
    raw = result.boxes.raw_conf
    assert torch.equal(result[1:3].boxes.raw_conf, raw[1:3])
    assert torch.equal(result[0].boxes.raw_conf, raw[:1])
    best = result[result.boxes.conf > 0.5].boxes
    assert isinstance(best, RefinedBoxes)
    assert torch.equal(best.raw_conf, raw[result.boxes.conf > 0.5])
    np.testing.assert_array_equal(result.numpy().boxes.raw_conf, raw.numpy())
    assert torch.equal(result.to(torch.float64).cpu().boxes.raw_conf, raw.double())
    assert len(result.summary()) == len(raw)


def refined_entries(model: Any, images: dict[int, Path]) -> tuple[list[dict], list[float]]:
    """Return the poses of images with their raw scores as results, and their refined scores."""
    entries, refined = [], []
    for image, path in images.items():
        (result,) = predict(model, str(path), conf=0.001)
        poses = Poses.from_ultralytics(result)
        raw = poses.with_scores(result.boxes.raw_conf.numpy())
        entries += poses_to_entries(raw, image)
        refined += poses.scores.astype(float).tolist()
    return entries, refined


def refine_file(entries: list[dict]) -> np.ndarray:
    scores = np.zeros(len(entries))
    for image in poses_by_image(entries, COCO17).values():
        scores[image.entries] = Refiner(ALONE)(image.poses).scores
    return scores


@pytest.mark.parametrize("limit", [12, pytest.param(None, marks=pytest.mark.slow)])
def test_ap_is_that_of_refining_the_results_file(
    model: Any, shared_data: Path, limit: int | None
) -> None:
    images = find_images(Dataset(shared_data / "coco"), SPLIT, limit)
    entries, refined = refined_entries(attach(model, ALONE), images.paths)
    by_file = refine_file(entries)
    np.testing.assert_allclose(refined, by_file, atol=1e-6)
    judge = AveragePrecision(images.ground_truth, entries)
    assert judge.ap(np.array(refined)) == pytest.approx(judge.ap(by_file), abs=1e-4)
    assert judge.ap(by_file) != judge.ap(scores_of(entries))


def yolo_dataset(root: Path, images: dict[int, Path], shared: Path) -> Path:
    """Write images and ground truth as ultralytics reads them."""
    name = f"person_keypoints_{SPLIT}.json.gz"
    truth = read_json(shared / "coco" / "annotations" / name)["annotations"]
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    sizes = load_ground_truth(shared / "coco", SPLIT).image_sizes
    for image, path in images.items():
        (root / "images" / path.name).symlink_to(path.resolve())
        width, height = sizes[image]
        lines = [_label(person, width, height) for person in truth if person["image_id"] == image]
        (root / "labels" / f"{path.stem}.txt").write_text("\n".join(lines))
    data = {"path": str(root), "train": "images", "val": "images", "names": {0: "person"}}
    (root / "data.yaml").write_text(yaml.safe_dump({**data, "kpt_shape": [17, 3]}))
    return root / "data.yaml"


def _label(person: dict, width: int, height: int) -> str:
    x, y, w, h = person["bbox"]
    box = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    joints = np.array(person["keypoints"], dtype=float).reshape(17, 3) / (width, height, 1)
    return " ".join(f"{value:.6f}" for value in (0, *np.clip(box, 0, 1), *joints.ravel()))


@pytest.fixture
def images(shared_data: Path) -> dict[int, Path]:
    return find_images(Dataset(shared_data / "coco"), SPLIT, 8).paths


@pytest.fixture
def val(model: Any, images: dict[int, Path], shared_data: Path, tmp_path: Path) -> Any:
    """Validates the model on the images; returns what it wrote, and its metrics."""
    data = yolo_dataset(tmp_path / "data", images, shared_data)

    def run(name: str, conf: float = 0.001) -> tuple[list[dict], Any]:
        options = {"project": str(tmp_path), "name": name, "plots": False, "save_json": True}
        metrics = model.val(data=str(data), conf=conf, verbose=False, **options)
        return read_results(tmp_path / name / "predictions.json"), metrics

    return run


def test_val(model: Any, val: Any) -> None:
    before, raw = val("raw")
    attach(model, ALONE)
    after, refined = val("refined")
    assert [{**entry, "score": 0} for entry in after] == [{**entry, "score": 0} for entry in before]
    # The file is rounded: boxes to 3 places, scores to 5; what was refined was not.
    np.testing.assert_allclose(scores_of(after), refine_file(before), atol=2e-3)
    assert raw.pose.map != refined.pose.map


def test_val_sees_the_candidates_that_predict_sees(
    model: Any, val: Any, images: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = random_weights("mlp", "signals")
    monkeypatch.setattr(weights_io, "find", lambda _: weights)
    attach(model)
    judged = poses_by_image(val("refined", conf=0.05)[0], COCO17)
    got, expected = [], []
    for image, path in images.items():
        (result,) = predict(model, str(path))
        keypoints = judged[image].poses.keypoints
        distance = np.abs(Poses.from_ultralytics(result).keypoints[:, None] - keypoints).max(
            axis=(2, 3)
        )
        assert (distance.min(axis=1) < 2).all()  # pixels: they scale images a little differently
        got += judged[image].poses.scores[distance.argmin(axis=1)].tolist()
        expected += result.boxes.conf.tolist()
    np.testing.assert_allclose(got, expected, atol=0.01)  # an image's edge; 1e-5 elsewhere


def test_what_is_no_pose_model(model: Any) -> None:
    with pytest.raises(
        EstimatorError, match=r"task 'pose', got SimpleNamespace with task 'detect'"
    ):
        attach(SimpleNamespace(task="detect", callbacks={}))
    with pytest.raises(WeightsError, match="unknown weights 'nothing'"):
        attach(model, "nothing")
    with pytest.raises(WeightsError, match="made for scores above 0"):
        attach(model, "lightweight-openpose")


def test_supervision_does_not_refine_a_second_time(model: Any, video: str) -> None:
    sv = pytest.importorskip("supervision")
    from rcnet_rt.integrations.supervision import RAW, refine

    attach(model)
    results = [result for result in predict(model, video) if len(result.boxes)]
    assert results
    refiner = Refiner("yolo-pose")
    for result in results:
        key_points = sv.KeyPoints.from_ultralytics(result)
        again = refine(key_points, refiner)
        np.testing.assert_array_equal(again.detection_confidence, result.boxes.conf.numpy())
        np.testing.assert_array_equal(again.data[RAW], result.boxes.raw_conf.numpy())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_with_refined_scores_can_be_copied(
    shared_data: Path, video: str, copied: Any
) -> None:
    pytest.importorskip("openvino")
    from ultralytics import YOLO

    path = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    again = copied(attach(YOLO(path, task="pose"), ALONE))
    assert_refined(predict(YOLO(path, task="pose"), video), predict(again, video))


def test_without_ultralytics_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rcnet_rt.integrations.ultralytics")
    for name in [name for name in sys.modules if name.partition(".")[0] == "ultralytics"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        MissingPackageError,
        match="need the package ultralytics, which is not installed: pip install 'ultralytics'",
    ):
        _ = rcnet_rt.attach


def test_joint_estimates_stay_with_their_poses(
    model: Any, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integration, "Refiner", JointRefiner)
    before = predict(model, video)
    for raw, refined in zip(before, predict(attach(model, ALONE), video), strict=True):
        expected = with_joint_estimates(Poses.from_ultralytics(raw))
        assert torch.equal(raw.keypoints.data, refined.keypoints.data)
        np.testing.assert_array_equal(refined.joint_confidence, expected.joint_confidence)
        np.testing.assert_array_equal(refined.joint_covariance, expected.joint_covariance)
    detach(model)
    assert not any(hasattr(result, "joint_confidence") for result in predict(model, video))
