"""The examples run as they stand, or as far as they go without what they are examples for."""

from __future__ import annotations

import importlib.util
import json
import math
import py_compile
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from rcnet_rt import Poses, Refiner
from rcnet_rt.datasets import jsonl
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.video.source import open_source
from tests.helpers.joints import with_joint_estimates

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import an example by its path under examples/, as `python examples/…` would."""
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        path = EXAMPLES / name
        monkeypatch.syspath_prepend(str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module

    yield load
    for name in {path.stem for path in EXAMPLES.rglob("*.py")} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def yolo(shared_data: Path) -> str:
    pytest.importorskip("openvino")
    return str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.name)
def test_examples_compile(path: Path, tmp_path: Path) -> None:
    py_compile.compile(str(path), cfile=str(tmp_path / "compiled"), doraise=True)


def test_library_hook(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    example("library_hook.py").main()
    assert capsys.readouterr().out.count("frame ") == 10


@pytest.mark.filterwarnings("ignore")
def test_ultralytics_loop(
    example: Any,
    yolo: str,
    shared_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = str(shared_data / "videos" / "people.mp4")
    monkeypatch.setattr(sys, "argv", ["ultralytics_loop.py", yolo, source])
    example("ultralytics_loop.py").main()
    assert capsys.readouterr().out.count(" -> ") > 10


@pytest.mark.filterwarnings("ignore")
def test_webcam(
    example: Any, yolo: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[np.ndarray] = []
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda _: ord("q") if len(shown) == 3 else -1)
    source = str(shared_data / "videos" / "people.mp4")
    monkeypatch.setattr(sys, "argv", ["webcam.py", source, yolo])
    example("webcam.py").main()
    assert [image.shape for image in shown] == [(540, 960, 3)] * 3


@pytest.mark.filterwarnings("ignore")
def test_supervision_video(example: Any, yolo: str, shared_data: Path, tmp_path: Path) -> None:
    source, target = str(shared_data / "videos" / "people.mp4"), tmp_path / "drawn.mp4"
    example("supervision_video.py").main(source, str(target), yolo, max_frames=2)
    with open_source(source) as before, open_source(str(target)) as after:
        for original, drawn in zip(before, after, strict=False):
            difference = original.image_bgr.astype(int) - drawn.image_bgr
            assert (np.abs(difference).max(axis=2) > 100).sum() > 500, "skeletons are drawn"


class TestRobotLoop:
    def test_speed(self, example: Any) -> None:
        loop = example("robot_loop.py")
        nobody, somebody = np.zeros((0, 17, 3)), np.zeros((1, 17, 3))
        assert loop.speed(None, 1.0) == 0
        assert loop.speed(loop.Seen(nobody, 1.0), 1.0) == 1
        assert 0 < loop.speed(loop.Seen(somebody, 1.0), 1.0) < 1
        stale = 1.0 + loop.MAX_AGE + 0.01
        assert loop.speed(loop.Seen(nobody, 1.0), stale) == 0

    def test_a_person_with_a_faulty_number_is_a_person(self, example: Any) -> None:
        loop = example("robot_loop.py")
        poses = np.random.default_rng(0).uniform(0.3, 1.0, (2, 17, 3)) * (300, 300, 1)
        poses[0, 3, 2] = np.nan
        scores = np.array([0.9, 0.001])
        assert loop.believed(poses, scores)[:, 0, 0].tolist() == [poses[0, 0, 0]]

    def test_it_drives(self, example: Any, capsys: pytest.CaptureFixture[str]) -> None:
        example("robot_loop.py").main(seconds=0.3)
        assert "speed" in capsys.readouterr().out


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> ModuleType:
    """Put a module into the place of one that is not installed."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(parts[end - 1]))
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)
    return module


class TestMmposeMetric:
    """Against what mmpose's CocoMetric hands on: a dict a person (top-down), or an image."""

    @pytest.fixture
    def metric(self, example: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        class CocoMetric:
            def __init__(self, ann_file: str, score_mode: str = "bbox_keypoint") -> None:
                self.score_mode = score_mode

            def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
                predictions = [each[0] if isinstance(each, tuple) else each for each in results]
                return {"scores": [each["bbox_scores"].tolist() for each in predictions]}

        registry = SimpleNamespace(register_module=lambda: lambda cls: cls)
        fake(monkeypatch, "mmpose.evaluation.metrics", CocoMetric=CocoMetric)
        fake(monkeypatch, "mmpose.registry", METRICS=registry)
        return example("mmpose_coco_metric.py")

    @staticmethod
    def prediction(poses: Poses, image: int) -> dict[str, Any]:
        return {
            "id": image,
            "img_id": image,
            "keypoints": np.asarray(poses.keypoints),
            "keypoint_scores": np.asarray(poses.keypoint_scores),
            "bbox_scores": np.asarray(poses.scores),
        }

    @pytest.mark.parametrize("paired", [True, False])
    def test_people_of_an_image_are_refined_together(
        self, metric: ModuleType, random_poses: Poses, paired: bool
    ) -> None:
        first, second = random_poses[:3], random_poses[3:]
        order = [(first[0], 1), (second[0], 2), (first[1], 1), (first[2], 1), (second[1], 2)]
        people = [self.prediction(pose, image) for pose, image in order]
        judge = metric.RefinedCocoMetric(ann_file="", weights="yolo-pose")
        assert judge.score_mode == "bbox"
        results = [(person, {}) for person in people] if paired else people
        scores = judge.compute_metrics(results)["scores"]
        refiner = Refiner("yolo-pose")
        plain = [
            Poses(p.keypoints, p.scores, keypoint_scores=p.keypoint_scores) for p in (first, second)
        ]
        one, two = (refiner(poses).scores for poses in plain)
        expected = [[one[0]], [two[0]], [one[1]], [one[2]], [two[1]]]
        np.testing.assert_allclose(scores, expected, atol=1e-6)

    def test_bottom_up_results_and_any_weights(
        self, metric: ModuleType, random_poses: Poses
    ) -> None:
        judge = metric.RefinedCocoMetric(ann_file="")
        results = [self.prediction(random_poses, 1), self.prediction(random_poses[:2], 2)]
        scores = judge.compute_metrics(results)["scores"]
        assert [len(each) for each in scores] == [5, 2]
        assert all(0 <= score <= 1 for each in scores for score in each)


class TestFiftyOne:
    @pytest.fixture
    def samples(self, example: Any, tmp_path: Path, random_poses: Poses) -> Path:
        missing = random_poses.keypoints.copy()
        missing[0, 2] = np.nan
        poses = Poses(
            missing, random_poses.scores, keypoint_scores=random_poses.keypoint_scores
        ).with_scores(random_poses.scores / 2)
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((400, 800, 3), np.uint8))
        header = jsonl.Header("folder", "yolo", "yolo-pose", "coco17", 0.3, "yolo-pose", (800, 400))
        with jsonl.JsonLinesWriter(tmp_path / "poses.jsonl", header) as writer:
            writer.write(0, None, poses, poses.scores > 0.3, "a.png")
        out = tmp_path / "samples.json"
        example("fiftyone_export.py").export(tmp_path / "poses.jsonl", tmp_path, out)
        return out

    def test_export(self, samples: Path, tmp_path: Path, random_poses: Poses) -> None:
        (sample,) = json.loads(samples.read_text())["samples"]
        assert sample["filepath"] == str(tmp_path / "a.png")
        assert len(sample["poses"]) == 5
        first = sample["poses"][0]
        assert all(map(math.isnan, first["points"][2]))
        expected = random_poses.keypoints[0, 0] / (800, 400)
        np.testing.assert_allclose(first["points"][0], expected, rtol=1e-6)
        assert first["raw_score"] == pytest.approx(2 * first["score"], rel=1e-6)

    def test_load(self, samples: Path, example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """With FiftyOne's names, as far as they are used."""

        class Dataset:
            def add_samples(self, samples: Iterator[Any]) -> None:
                self.samples = list(samples)

        names = ("KeypointSkeleton", "Sample", "Keypoints", "Keypoint")
        fake(monkeypatch, "fiftyone", Dataset=Dataset, **dict.fromkeys(names, SimpleNamespace))
        dataset = example("fiftyone_export.py").load(str(samples))
        assert len(dataset.default_skeleton.labels) == 17
        (sample,) = dataset.samples
        assert [pose.label for pose in sample.poses.keypoints] == ["person"] * 5


def image_message(encoding: str, pixels: np.ndarray, padding: int = 0) -> SimpleNamespace:
    """A sensor_msgs/Image: rows of `step` bytes."""
    height, width = pixels.shape[:2]
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)))
    stamp = SimpleNamespace(sec=12, nanosec=500_000_000)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id="camera"),
        height=height,
        width=width,
        encoding=encoding,
        step=rows.shape[1],
        data=rows.tobytes(),
    )


TAKEN = 12_500_000_000  # the stamp above


class TestRos2:
    @pytest.fixture
    def refinement(self, example: Any) -> ModuleType:
        return example("ros2/pose_refinement.py")

    @pytest.mark.parametrize("padding", [0, 5])
    def test_encodings(self, refinement: ModuleType, padding: int) -> None:
        bgr = np.random.default_rng(0).integers(0, 255, (4, 6, 3)).astype(np.uint8)
        alpha = np.full((4, 6, 1), 255, np.uint8)
        made = {
            "bgr8": bgr,
            "rgb8": bgr[:, :, ::-1],
            "bgra8": np.concatenate([bgr, alpha], axis=2),
            "rgba8": np.concatenate([bgr[:, :, ::-1], alpha], axis=2),
        }
        for encoding, pixels in made.items():
            message = image_message(encoding, pixels, padding)
            np.testing.assert_array_equal(refinement.image_bgr(message), bgr)
        grey = refinement.image_bgr(image_message("mono8", bgr[:, :, :1], padding))
        np.testing.assert_array_equal(grey, bgr[:, :, [0, 0, 0]])
        with pytest.raises(ValueError, match="encoding '16UC1'; expected bgr8"):
            refinement.image_bgr(image_message("16UC1", bgr))

    @pytest.mark.filterwarnings("ignore")
    def test_answers(self, refinement: ModuleType, yolo: str, shared_data: Path) -> None:
        with open_source(str(shared_data / "videos" / "people.mp4")) as source:
            pixels = next(iter(source)).image_bgr
        node = refinement.PoseRefinement(yolo, threshold=0.4, max_age=0.2)
        message = image_message("bgr8", pixels)
        assert node.answer(message, TAKEN, TAKEN + 300_000_000) is None
        assert node.stale == 1
        answer = node.answer(message, TAKEN, TAKEN + 100_000_000)
        assert node.stale == 1
        assert len(answer.poses) > 3
        assert answer.poses.raw_scores is not None
        np.testing.assert_array_equal(answer.kept, answer.poses.scores >= 0.4)

    def test_the_node(
        self, example: Any, monkeypatch: pytest.MonkeyPatch, random_poses: Poses, tmp_path: Path
    ) -> None:
        """With ROS's names, as far as they are used."""
        ros = FakeRos(monkeypatch)
        (tmp_path / "five.py").write_text(
            "import numpy as np\nfrom rcnet_rt import Poses\n\n\ndef estimate(image_bgr):\n"
            "    return Poses(np.full((1, 17, 2), 5.0), [0.5])\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        ros.parameters = {"model": "five:estimate", "max_age": 0.2}
        node = example("ros2/pose_node.py").PoseNode()
        message_type, topic, callback, quality = ros.subscription
        assert (message_type.__name__, topic) == ("Image", "~/image")
        assert (quality.history, quality.depth, quality.reliability) == ("last", 1, "best effort")
        pixels = image_message("rgb8", np.zeros((48, 64, 3), np.uint8))
        ros.now = TAKEN + 10_000_000
        callback(pixels)
        ros.now = TAKEN + 900_000_000
        callback(pixels)
        (published,) = ros.published
        said = json.loads(published.data)
        assert said["stamp"] == {"sec": 12, "nanosec": 500_000_000}
        assert said["frame_id"] == "camera"
        (pose,) = said["poses"]
        assert pose["score_raw"] == 0.5
        assert 0 <= pose["score"] <= 1
        assert len(pose["keypoints"]) == 17
        assert node is not None
        assert "1 images were too old" in ros.warnings[0]

    def test_the_node_with_skeletons(
        self, example: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        ros = FakeRos(monkeypatch)
        (tmp_path / "two.py").write_text(
            "import numpy as np\nfrom rcnet_rt import Poses\n\n\ndef estimate(image_bgr):\n"
            "    return Poses(np.full((2, 17, 2), [16.0, 36.0]), [0.5, 0.4])\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        ros.parameters = {"model": "two:estimate", "messages": "skeleton2d", "threshold": 0.0}
        node = example("ros2/pose_node.py").PoseNode()
        ros.now = TAKEN
        ros.subscription[2](image_message("rgb8", np.zeros((48, 64, 3), np.uint8)))
        assert ros.topics == [(Skeleton2D, "~/skeleton2d")]
        first, second = ros.published
        assert first.header is second.header
        assert first.header.frame_id == "camera"
        assert (first.skeleton[1].x, first.skeleton[1].y) == (0.25, 0.75), "the neck"
        assert node is not None

    def test_skeletons(
        self, example: Any, monkeypatch: pytest.MonkeyPatch, random_poses: Poses
    ) -> None:
        FakeRos(monkeypatch)
        to_messages = example("ros2/skeleton2d_messages.py").to_messages
        answer = sys.modules["pose_refinement"].Answer
        keypoints = random_poses.keypoints.copy()
        keypoints[0, 7] = np.nan  # left elbow
        keypoints[0, 9] = (-20, 700)  # left wrist, outside
        keypoints[1, 5] = np.nan  # left shoulder
        scores = random_poses.keypoint_scores
        poses = replace(random_poses, keypoints=keypoints)
        kept = np.array([True, True, False, False, False])
        header = object()
        one, two = to_messages(answer(poses, kept, (640, 480)), header)
        assert one.header is header
        assert len(one.skeleton) == len(two.skeleton) == 18
        for joint, name in enumerate(COCO17.keypoints):
            point = one.skeleton[getattr(Skeleton2D, name.upper())]
            expected = (*keypoints[0, joint] / (640, 480), scores[0, joint])
            expected = {7: (0, 0, 0), 9: (0, 1, scores[0, 9])}.get(joint, expected)
            np.testing.assert_allclose((point.x, point.y, point.c), expected, rtol=1e-6)
        neck = (*keypoints[0, 5:7].mean(axis=0) / (640, 480), scores[0, 5:7].min())
        point = one.skeleton[Skeleton2D.NECK]
        np.testing.assert_allclose((point.x, point.y, point.c), neck, rtol=1e-6)
        point = two.skeleton[Skeleton2D.NECK]
        assert (point.x, point.y, point.c) == (0, 0, 0), "one shoulder was not found"
        assert type(point.x) is float, "ROS takes no other numbers"

    def test_confidence_of_skeletons(
        self, example: Any, monkeypatch: pytest.MonkeyPatch, random_poses: Poses
    ) -> None:
        FakeRos(monkeypatch)
        to_messages = example("ros2/skeleton2d_messages.py").to_messages
        answer = sys.modules["pose_refinement"].Answer

        def of_nose(poses: Poses) -> float:
            everybody = np.ones(len(poses), bool)
            return float(to_messages(answer(poses, everybody, (640, 480)), None)[0].skeleton[0].c)

        calibrated = with_joint_estimates(random_poses)
        assert of_nose(calibrated) == pytest.approx(calibrated.joint_confidence[0, 0])
        assert of_nose(random_poses) == pytest.approx(random_poses.keypoint_scores[0, 0])
        plain = Poses(random_poses.keypoints, random_poses.scores)
        assert of_nose(plain) == pytest.approx(random_poses.scores[0])
        assert to_messages(answer(Poses.empty(17), np.ones(0, bool), (640, 480)), None) == []
        crowd = Poses(random_poses.keypoints[:, :14], random_poses.scores)
        (first, *_) = to_messages(answer(crowd, np.ones(5, bool), (640, 480)), None)
        neck = crowd.keypoints[0, 13] / (640, 480)
        np.testing.assert_allclose((first.skeleton[1].x, first.skeleton[1].y), neck, rtol=1e-6)
        assert first.skeleton[Skeleton2D.NOSE].c == 0, "CrowdPose has no nose"


class Skeleton2D:
    """As hri_msgs has it, as far as it is used: constants of the class, fields without values."""

    NOSE, NECK = 0, 1
    RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST = 2, 3, 4
    LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST = 5, 6, 7
    RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE, LEFT_HIP, LEFT_KNEE, LEFT_ANKLE = 8, 9, 10, 11, 12, 13
    LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = 14, 15, 16, 17


class FakeRos:
    """Stands in for rclpy and two message packages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parameters: dict[str, Any] = {}
        self.published: list[Any] = []
        self.topics: list[tuple[Any, str]] = []
        self.warnings: list[str] = []
        self.now = 0
        ros = self

        class Node:
            def __init__(self, name: str) -> None:
                self.name = name

            def declare_parameter(self, name: str, default: Any) -> Any:
                return SimpleNamespace(value=ros.parameters.get(name, default))

            def create_publisher(self, message: Any, topic: str, _: Any) -> Any:
                ros.topics.append((message, topic))
                return SimpleNamespace(publish=ros.published.append)

            def create_subscription(self, *arguments: Any) -> None:
                ros.subscription = arguments

            def get_clock(self) -> Any:
                return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=ros.now))

            def get_logger(self) -> Any:
                return SimpleNamespace(warning=lambda text, **_: ros.warnings.append(text))

        fake(monkeypatch, "rclpy.node", Node=Node)
        fake(
            monkeypatch,
            "rclpy.qos",
            QoSProfile=SimpleNamespace,
            HistoryPolicy=SimpleNamespace(KEEP_LAST="last"),
            ReliabilityPolicy=SimpleNamespace(BEST_EFFORT="best effort"),
        )
        fake(monkeypatch, "sensor_msgs.msg", Image=types.new_class("Image"))
        fake(monkeypatch, "std_msgs.msg", String=types.new_class("String"))
        fake(
            monkeypatch,
            "hri_msgs.msg",
            Skeleton2D=Skeleton2D,
            NormalizedPointOfInterest2D=types.new_class("NormalizedPointOfInterest2D"),
        )


def four_cameras() -> np.ndarray:
    """Around the origin at 4 meters, looking at it; lengths in millimeters."""
    matrix = np.array([[1500.0, 0, 500], [0, 1500, 900], [0, 0, 1]])
    cameras = []
    for angle in np.radians([20, 80, 200, 290]):
        forward = -np.array([math.cos(angle), math.sin(angle), 0])
        rotation = np.stack([np.cross(forward, [0, 0, 1.0]), [0, 0, -1.0], forward])
        cameras.append(matrix @ np.column_stack([rotation, -rotation @ (-4000 * forward)]))
    return np.stack(cameras)


def moving_person(rng: np.random.Generator, amplitude: float = 80) -> np.ndarray:
    """(60, 17, 3) millimeters."""
    joints = rng.uniform([-300, -300, -900], [300, 300, 900], (17, 3))
    time = np.arange(60)[:, None, None] / 60
    return joints + amplitude * np.sin(2 * np.pi * time + rng.uniform(0, 6, (17, 3)))


def test_triangulation_by_covariance(example: Any) -> None:
    triangulation, cameras = example("pose2sim/triangulation.py"), four_cameras()
    rng = np.random.default_rng(0)
    truth = moving_person(rng)
    exact = triangulation.project(cameras, truth)
    ones = np.ones(exact.shape[:3])
    np.testing.assert_allclose(triangulation.dlt(cameras, exact, ones), truth, atol=1e-5)
    deviation = rng.choice([2.0, 30.0], exact.shape)  # across and down, each by itself
    pixels = exact + deviation * rng.normal(size=exact.shape)
    pixels[3, 5, 1] = np.nan
    covariance = deviation[..., None] ** 2 * np.eye(2)

    def error(points: np.ndarray) -> float:
        return float(np.linalg.norm(points - truth, axis=2).mean())

    plain = error(triangulation.dlt(cameras, pixels, ones))
    known = error(triangulation.least_squares(cameras, pixels, covariance))
    smooth = error(triangulation.least_squares(cameras, pixels, covariance, motion=3.0))
    assert known < 0.6 * plain
    assert smooth < 0.8 * known
    wrong = pixels.copy()
    wrong[::7, :, 2] += 300
    robust = error(triangulation.least_squares(cameras, wrong, covariance, degrees=4.0))
    assert robust < 0.7 * error(triangulation.least_squares(cameras, wrong, covariance))


def test_a_folder_for_each_camera_as_pose2sim_names_them(
    example: Any, random_poses: Poses, tmp_path: Path
) -> None:
    recording = tmp_path / "cam01.jsonl"
    header = jsonl.Header("cam01.mp4", "yolov8n-pose", "none", "coco17", 0.25)
    with jsonl.JsonLinesWriter(recording, header) as writer:
        kept = np.array([True, False, True, False, False])
        writer.write(0, 0.0, with_joint_estimates(random_poses), kept)
        writer.write(1, 0.1, Poses.empty(17), np.ones(0, bool))
    folders = example("pose2sim/openpose_folders.py").write_project(tmp_path / "take", [recording])
    assert folders == [tmp_path / "take" / "pose" / "cam01_json"]
    first = json.loads((folders[0] / "cam01_000000.json").read_text())
    assert len(first["people"]) == 2
    values = np.reshape(first["people"][1]["pose_keypoints_2d"], (17, 3))
    expected = with_joint_estimates(random_poses)[2]
    np.testing.assert_array_equal(values[:, :2], expected.keypoints[0])
    np.testing.assert_array_equal(values[:, 2], expected.joint_confidence[0])
    assert json.loads((folders[0] / "cam01_000001.json").read_text())["people"] == []


CAMERA = """<camera serial="{serial}"><transform {transform}/><intrinsic centerPointU="32000"
centerPointV="57600" focalLengthU="96000" focalLengthV="96000"/></camera>"""


def qualisys(cameras: np.ndarray) -> str:
    """Write cameras of `four_cameras` as Qualisys does."""
    matrix = np.array([[1500.0, 0, 500], [0, 1500, 900], [0, 0, 1]])
    texts = []
    for serial, camera in enumerate(cameras):
        pose = np.linalg.inv(matrix) @ camera
        rotation = pose[:, :3]
        values = dict(zip("xyz", -rotation.T @ pose[:, 3], strict=True))
        rows = np.diag([1, -1, -1]) @ rotation
        values |= {f"r{i + 1}{j + 1}": rows[i, j] for i in range(3) for j in range(3)}
        text = " ".join(f'{name}="{float(value)!r}"' for name, value in values.items())
        texts.append(CAMERA.format(serial=serial, transform=text))
    return f"<calibration><cameras>{''.join(texts)}</cameras></calibration>"


def test_weights_are_measured_on_left_out_cameras(
    example: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measure, cameras = example("pose2sim/measure.py"), four_cameras()
    for settings in ("NOISE", "MOTION"):
        monkeypatch.setattr(measure, settings, (10.0,))
    calibration = tmp_path / "calibration.qca.txt"
    calibration.write_text(qualisys(cameras))
    np.testing.assert_allclose(measure.read_qualisys(calibration), cameras, atol=1e-6)
    rng = np.random.default_rng(0)
    pixels = measure.project(cameras, moving_person(rng, 400))
    deviation = rng.choice([2.0, 25.0], pixels.shape[:3])
    pixels += deviation[..., None] * rng.normal(size=pixels.shape)
    recordings = [tmp_path / f"cam{number}.jsonl" for number in range(4)]
    header = jsonl.Header("a.mp4", "yolov8n-pose", "none", "coco17", 0.25)
    for camera, recording in enumerate(recordings):
        late = 2 if camera == 2 else 0
        with jsonl.JsonLinesWriter(recording, header) as writer:
            for frame in range(60):
                scene = max(frame - late, 0)
                seen, spread = (array[scene, None, :, camera] for array in (pixels, deviation))
                poses = Poses(
                    seen,
                    [0.9],
                    keypoint_scores=np.full((1, 17), 0.9),
                    joint_confidence=np.where(spread > 10, 0.2, 0.95),
                    joint_covariance=spread[..., None, None] ** 2 * np.eye(2),
                )
                writer.write(frame, frame / 60, poses, np.ones(1, bool))
    measure.main(calibration, recordings)
    offsets, _, *rows = capsys.readouterr().out.splitlines()
    assert "(0, 0, 2, 0)" in offsets
    percent = {row[:33].strip(): float(row[33:].split()[2]) for row in rows}
    pairs = [(solver, name) for solver, each in measure.weightings().items() for name in each]
    assert list(percent) == [f"{solver}, {name}" for solver, name in pairs]
    assert percent["DLT, raw"] == 0
    assert percent["DLT, confidence"] < -10
    assert percent["least squares, covariance"] < -10


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `rcnet-rt predict` writes it, of two sources."""
    pytest.importorskip("pyarrow", reason="pip install 'rcnet-rt[parquet]'")
    from rcnet_rt.datasets.parquet.files import ParquetWriter
    from rcnet_rt.datasets.scored_frames import Provenance, ScoredFrame

    folder = tmp_path_factory.mktemp("predicted")
    random = np.random.default_rng(0)
    provenance = Provenance(jsonl.Header("", "model", "weights", "coco17", 0.5))
    for name in ("a", "b"):
        files = [folder / table / f"{name}.parquet" for table in ("poses", "frames")]
        for file in files:
            file.parent.mkdir(exist_ok=True)
        with ParquetWriter(*files, provenance) as writer:
            for index in range(20):
                keypoints = random.uniform(0, 500, (index % 3, 17, 2)).astype(np.float32)
                keypoints[:1, 9] = np.nan
                poses = Poses(keypoints, random.random(index % 3))
                frame = ScoredFrame(f"{name}.mp4", index, index / 30, poses, poses.scores > 0.5)
                writer.write(frame)
    return folder


@pytest.mark.parametrize("tool", ["duckdb", "pandas", "polars"])
def test_parquet_queries(example: Any, predicted: Path, tool: str) -> None:
    pytest.importorskip(tool)
    from rcnet_rt.datasets.parquet.files import parquet_files, read_parquet

    rows = getattr(example("parquet_queries.py"), f"with_{tool}")(predicted)
    for (source, frames, poses, kept, wrist), (file, _) in zip(
        rows, parquet_files(predicted), strict=True
    ):
        read = list(read_parquet(file))
        assert (source, frames) == (f"{file.stem}.mp4", 20)
        assert poses == sum(len(frame.poses) for frame in read)
        assert kept == sum(frame.kept.sum() for frame in read)
        wrists = np.concatenate([frame.poses.keypoints[:, 9, 0] for frame in read])
        assert wrist == pytest.approx(np.nanmean(wrists.astype(np.float64)), rel=1e-5)
