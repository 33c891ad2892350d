"""Estimators: names and paths, ultralytics to the bit, recorded poses."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.cli import main
from rcnet_rt.datasets import jsonl
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.errors import DatasetError, EstimatorError
from rcnet_rt.poses.frame import Frame
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14
from rcnet_rt.video.source import open_source

IMAGE = np.zeros((480, 640, 3), np.uint8)


@pytest.fixture
def recording(tmp_path: Path, random_poses: Poses) -> Path:
    path = tmp_path / "poses.jsonl"
    header = Header("a.mp4", "yolov8n-pose", "none", "coco17", 0.25, "yolo-pose", (640, 480))
    with JsonLinesWriter(path, header) as writer:
        for index in range(2):
            writer.write(index, 0.0, random_poses[index:], random_poses.scores[index:] > 0)
    return path


def test_replay_gives_the_recorded_frames_in_order(recording: Path, random_poses: Poses) -> None:
    estimator = estimators.load(f"replay:{recording}", floor=0.05)
    assert (estimator.name, estimator.family) == ("yolov8n-pose", "yolo-pose")
    assert estimator.skeleton is COCO17
    for index in range(2):
        poses = estimator.estimate(IMAGE)
        np.testing.assert_array_equal(poses.keypoints, random_poses.keypoints[index:])
        np.testing.assert_array_equal(poses.scores, random_poses.scores[index:])
    with pytest.raises(EstimatorError, match="has 2 recorded frames"):
        estimator.estimate(IMAGE)


def test_replay_on_other_images(recording: Path) -> None:
    estimator = estimators.load(f"replay:{recording}", floor=0.05)
    with pytest.raises(EstimatorError, match=r"recorded on images of \(640, 480\)"):
        estimator.estimate(IMAGE[:-1])


def results_file(path: Path, ids: list[int | str], joints: int = 17) -> Path:
    """COCO results with one pose an id, its score telling which."""
    keypoints = np.column_stack([np.full((joints, 2), 50.0), np.linspace(0.1, 0.9, joints)])
    entries = [
        {
            "image_id": image,
            "category_id": 1,
            "keypoints": keypoints.ravel().tolist(),
            "score": (1 + number) / 10,
        }
        for number, image in enumerate(ids)
    ]
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        ([139, 785], "000000000785.jpg"),
        (["0.jpg", "785.jpg"], "785.jpg"),
        (["a.jpg", "b.jpg"], "b.jpg"),
        (["a", "b"], "b.jpg"),
    ],
)
def test_replay_of_results_finds_images_by_name(
    tmp_path: Path, ids: list[int | str], name: str
) -> None:
    estimator = estimators.load(f"replay:{results_file(tmp_path / 'r.json', ids)}", floor=0.05)
    assert estimator.skeleton is COCO17
    poses = estimator.estimate_frame(Frame(0, IMAGE, name=name))
    assert poses.scores.tolist() == [np.float32(0.2)]
    assert poses.image_size == (640, 480)
    assert len(estimator.estimate_frame(Frame(1, IMAGE, name="unknown.jpg"))) == 0


@pytest.mark.parametrize("ids", [[0, 2], ["0.jpg", "2.jpg"], ["clip_000.jpg", "clip_002.jpg"]])
def test_replay_of_results_counts_frames_from_0(tmp_path: Path, ids: list[int | str]) -> None:
    estimator = estimators.load(f"replay:{results_file(tmp_path / 'r.json', ids)}", floor=0.05)
    scores = [estimator.estimate(IMAGE).scores.tolist() for _ in range(4)]
    assert scores == [[np.float32(0.1)], [], [np.float32(0.2)], []]


def test_replay_of_an_openpose_folder(tmp_path: Path) -> None:
    joints = np.column_stack([np.full((25, 2), 50.0), np.full(25, 0.5)]).ravel().tolist()
    for number, people in enumerate([[{"pose_keypoints_2d": joints}], []]):
        path = tmp_path / f"clip_{number + 7}_keypoints.json"
        path.write_text(json.dumps({"people": people}))
    estimator = estimators.load(f"replay:{tmp_path}", floor=0.05)
    assert estimators.family(f"replay:{tmp_path}") == "generic"
    assert [len(estimator.estimate(IMAGE)) for _ in range(10)] == [0] * 7 + [1, 0, 0]
    assert len(estimator.estimate_frame(Frame(0, IMAGE, name="clip_7.png"))) == 1


@pytest.mark.parametrize("name", ["v_{}", "v_{:012}", "cam01.{:04}", "{}"])
def test_numbers_of_openpose_files_are_those_of_frames(tmp_path: Path, name: str) -> None:
    for number in (*range(9), 10, 11):
        path = tmp_path / f"{name.format(number)}_keypoints.json"
        values = np.column_stack([np.full((25, 2), 10.0 + number), np.full(25, 0.5)])
        path.write_text(json.dumps({"people": [{"pose_keypoints_2d": values.ravel().tolist()}]}))
    estimator = estimators.load(f"replay:{tmp_path}", floor=0.05)
    poses = [estimator.estimate(IMAGE) for _ in range(13)]
    assert [len(some) for some in poses] == [1] * 9 + [0, 1, 1, 0]
    assert [some.keypoints[0, 0, 0] - 10 for some in poses if len(some)] == [*range(9), 10, 11]


@pytest.mark.parametrize("numbered", [True, False])
def test_a_folder_with_every_frame_ends_with_its_source(tmp_path: Path, numbered: bool) -> None:
    for number in range(3):
        name = f"clip_{number}" if numbered else f"clip{'abc'[number]}"
        (tmp_path / f"{name}_keypoints.json").write_text('{"people": []}')
    estimator = estimators.load(f"replay:{tmp_path}", floor=0.05)
    assert [len(estimator.estimate(IMAGE)) for _ in range(3)] == [0, 0, 0]
    with pytest.raises(EstimatorError, match="has 3 recorded frames"):
        estimator.estimate(IMAGE)


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["hall_640.jpg"], ["gate_640.jpg", "yard_640.jpg", "640.jpg", "hall_640_b.jpg"]),
        (["a_000000000001_png.rf.1f2e.jpg"], ["b_000000000001_png.rf.1f2e.jpg", "1.jpg"]),
        (["1"], ["x1.jpg"]),
    ],
)
def test_text_matches_whole(tmp_path: Path, ids: list[str], names: list[str]) -> None:
    estimator = estimators.load(f"replay:{results_file(tmp_path / 'r.json', ids)}", floor=0.05)
    assert [len(estimator.estimate_frame(Frame(0, IMAGE, name=name))) for name in names] == [
        0 for _ in names
    ]
    for name in (ids[0], f"val/{ids[0]}"):
        assert len(estimator.estimate_frame(Frame(0, IMAGE, name=name))) == 1


def test_names_without_their_own_number_are_no_frames(tmp_path: Path) -> None:
    for ids in (["hall_640.jpg", "gate_640.jpg"], ["hall.jpg", "gate.jpg"]):
        estimator = estimators.load(f"replay:{results_file(tmp_path / 'r.json', ids)}", floor=0.05)
        with pytest.raises(EstimatorError, match="cannot be the frames of a video"):
            estimator.estimate(IMAGE)


def test_names_that_are_not_unique(tmp_path: Path) -> None:
    path = results_file(tmp_path / "r.json", ["left/a.jpg", "right/a.jpg"])
    estimator = estimators.load(f"replay:{path}", floor=0.05)
    assert estimator.estimate_frame(Frame(0, IMAGE, name="right/a.jpg")).scores[0] > 0.15
    with pytest.raises(DatasetError, match=r"'a\.jpg' may be any of 2 images"):
        estimator.estimate_frame(Frame(0, IMAGE, name="a.jpg"))


def test_shared_case_of_unpadded_names(shared_data: Path) -> None:
    folder = shared_data.parent / "cases" / "openpose" / "unpadded_names"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    estimator = estimators.load(f"replay:{folder}", floor=0.05)
    places = [float(estimator.estimate(IMAGE).keypoints[0, 0, 0]) for _ in range(12)]
    assert places == [10.0 * number for number in range(12)]


def test_shared_case_of_names(shared_data: Path) -> None:
    path = shared_data.parent / "cases" / "results" / "names.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    estimator = estimators.load(f"replay:{path}", floor=0.05)
    names = ["gate_640.jpg", "hall_640.jpg", "yard_640.jpg"]
    poses = [estimator.estimate_frame(Frame(0, IMAGE, name=name)) for name in names]
    assert [len(some) for some in poses] == [0, 1, 0]


def test_replay_of_crowdpose_results(tmp_path: Path) -> None:
    estimator = estimators.load(f"replay:{results_file(tmp_path / 'r.json', [0], 14)}", floor=0.05)
    assert estimator.skeleton is CROWDPOSE14
    assert estimator.estimate(IMAGE).keypoints.shape == (1, 14, 2)


def test_family(recording: Path, tmp_path: Path) -> None:
    assert estimators.family(f"replay:{recording}") == "yolo-pose"
    assert estimators.family("yolo11m-pose") == "yolo-pose"
    (tmp_path / "mine.onnx").touch()
    assert estimators.family(str(tmp_path / "mine.onnx")) == "yolo-pose"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nonsense", "unknown model 'nonsense'; give"),
        ("yolov8n", "unknown model"),
        ("yolov8n-pose.yaml", "unknown model"),
        ("nothere.onnx", "model nothere.onnx does not exist"),
        ("some/folder/model", "does not exist"),
        ("replay:nothere.jsonl", "no such file: nothere.jsonl"),
        ("folder", "without an OpenVINO model"),
        ("notes.txt", "not a model that is understood"),
    ],
)
def test_models_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").touch()
    for ask in (estimators.family, lambda name: estimators.load(name, floor=0.05)):
        with pytest.raises(EstimatorError, match=message):
            ask(model)


def result(data: np.ndarray) -> SimpleNamespace:
    """What ultralytics gives, as far as it is read."""
    count = len(data)
    return SimpleNamespace(
        orig_shape=(480, 640),
        keypoints=SimpleNamespace(data=data),
        boxes=SimpleNamespace(conf=np.full(count, 0.5), xyxy=np.zeros((count, 4))),
    )


def test_only_joints_at_zero_with_confidence_zero_are_missing() -> None:
    data = np.random.default_rng(0).uniform(1, 9, (2, 17, 3)).astype(np.float32)
    data[0, 1] = 0
    data[0, 2] = (0, 0, 0.2)
    data[0, 3] = (5, 0, 0)
    poses = Poses.from_ultralytics(result(data))
    assert np.argwhere(~poses.found).tolist() == [[0, 1]]
    keep = poses.found
    np.testing.assert_array_equal(poses.keypoints[keep], data[..., :2][keep])
    np.testing.assert_array_equal(poses.keypoint_scores, data[..., 2])
    assert poses.image_size == (640, 480)


def test_models_without_joint_confidence() -> None:
    data = np.zeros((1, 17, 2), np.float32)
    poses = Poses.from_ultralytics(result(data))
    assert poses.keypoint_scores is None
    assert poses.found.all()


@pytest.mark.filterwarnings("ignore")
def test_keypoints_are_those_of_ultralytics_to_the_bit(shared_data: Path) -> None:
    pytest.importorskip("openvino")
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    estimator = estimators.load(model, floor=0.05)
    assert estimator.name == "yolov8n-pose_int8_openvino_model"

    from ultralytics import YOLO

    alone = YOLO(model, task="pose")
    with open_source(str(shared_data / "videos" / "people.mp4")) as source:
        for frame in source:
            poses = estimator.estimate(frame.image_bgr)
            expected = alone.predict(frame.image_bgr, conf=0.05, verbose=False)[0]
            data = expected.keypoints.data.numpy()
            assert len(poses) == len(data) > 3
            np.testing.assert_array_equal(poses.keypoints, data[..., :2])
            np.testing.assert_array_equal(poses.keypoint_scores, data[..., 2])
            np.testing.assert_array_equal(poses.scores, expected.boxes.conf.numpy())
            np.testing.assert_array_equal(poses.boxes, expected.boxes.xyxy.numpy())
            assert poses.image_size == frame.size


@pytest.mark.filterwarnings("ignore")
def test_a_device_that_is_not_here(shared_data: Path) -> None:
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    with pytest.raises(EstimatorError, match="device asked for is not here"):
        estimators.load(model, floor=0.05, device="cuda:77")


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"no pickle")
    with pytest.raises(EstimatorError, match=r"broken.pt cannot be loaded") as caught:
        estimators.load(str(tmp_path / "broken.pt"), floor=0.05)
    assert "\n" not in str(caught.value)


def test_the_pipeline_asks_a_recording_by_the_images_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("000000000139.png", "000000000785.png"):
        cv2.imwrite(str(tmp_path / name), IMAGE)
    recorded = results_file(tmp_path / "results.json", [785])
    out = tmp_path / "out.jsonl"
    images, model = str(tmp_path / "*.png"), f"replay:{recorded}"
    with pytest.raises(SystemExit) as stopped:
        main(["run", images, "--model", model, "--no-video", "--json", str(out)])
    assert stopped.value.code == 0, capsys.readouterr().err
    assert [len(line["poses"]) for line in jsonl.read_lines(out)] == [0, 1]
