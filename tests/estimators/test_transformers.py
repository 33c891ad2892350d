"""ViTPose: against transformers' own output, with small networks of random parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError
from rcnet_rt.rescoring.score_convention import UNIT, UNIT_JOINTS, ScoreConvention

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: rcnet-rt[transformers]"
)
pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own

FLOOR = 0.005  # random networks are not sure of anything


@pytest.fixture(scope="module")
def image_bgr() -> np.ndarray:
    low, high = np.array([180, 60, 0]), np.array([255, 160, 80])
    return np.random.default_rng(0).integers(low, high, (120, 180, 3)).astype(np.uint8)


def make_detector(names: dict[int, str]) -> Any:
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 32, 64],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=32,
        encoder_in_channels=[16, 32, 64],
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=32,
        num_queries=10,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        num_denoising=0,
        id2label=names,
        label2id={name: number for number, name in names.items()},
    )
    return transformers.RTDetrForObjectDetection(config)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        detector = make_detector({0: "person", 1: "cat"})
        cats = make_detector({0: "cat", 1: "dog"})
        backbone = transformers.VitPoseBackboneConfig(
            image_size=[64, 48], hidden_size=32, num_hidden_layers=1, num_attention_heads=2
        )
        pose = transformers.VitPoseForPoseEstimation(
            transformers.VitPoseConfig(backbone_config=backbone, num_labels=17)
        )
        for parameter in pose.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    processor = transformers.RTDetrImageProcessor(size={"height": 64, "width": 64})
    for name, model in (("detector", detector), ("cats", cats)):
        model.save_pretrained(root / name)
        processor.save_pretrained(root / name)
    pose.save_pretrained(root / "pose")
    size = {"height": 64, "width": 48}
    transformers.VitPoseImageProcessor(size=size).save_pretrained(root / "pose")
    return {name: root / name for name in ("detector", "cats", "pose")}


@pytest.fixture(scope="module")
def spec(folders: dict[str, Path]) -> str:
    return f"vitpose:{folders['pose']},{folders['detector']}"


def expected(folders: dict[str, Path], image_bgr: np.ndarray, floor: float) -> tuple[Any, Any]:
    """Return the people and their joints as transformers' documentation gets them."""
    from PIL import Image

    image = Image.fromarray(image_bgr[:, :, ::-1].copy())
    processor = transformers.AutoImageProcessor.from_pretrained(folders["detector"])
    model = transformers.RTDetrForObjectDetection.from_pretrained(folders["detector"])
    with torch.no_grad():
        outputs = model(**processor(images=image, return_tensors="pt"))
    (found,) = processor.post_process_object_detection(
        outputs, target_sizes=torch.tensor([(image.height, image.width)]), threshold=floor
    )
    people = {key: value[found["labels"] == 0].numpy() for key, value in found.items()}
    boxes = people["boxes"].copy()
    boxes[:, 2:] -= boxes[:, :2]
    processor = transformers.AutoImageProcessor.from_pretrained(folders["pose"])
    model = transformers.VitPoseForPoseEstimation.from_pretrained(folders["pose"])
    with torch.no_grad():
        outputs = model(**processor(image, boxes=[boxes], return_tensors="pt"))
    return people, processor.post_process_pose_estimation(outputs, boxes=[boxes])[0]


def test_poses_are_transformers(spec: str, folders: dict[str, Path], image_bgr: np.ndarray) -> None:
    poses = estimators.load(spec, floor=FLOOR, device="cpu").estimate(image_bgr)
    people, joints = expected(folders, image_bgr, FLOOR)
    assert len(poses) == len(joints) >= 2
    np.testing.assert_allclose(poses.scores, people["scores"], rtol=1e-5)
    np.testing.assert_allclose(poses.boxes, people["boxes"], rtol=1e-4, atol=1e-3)
    scores = np.stack([person["scores"] for person in joints])
    np.testing.assert_allclose(poses.keypoint_scores, scores, rtol=1e-4, atol=1e-6)
    keypoints = np.stack([person["keypoints"] for person in joints])
    found = poses.found
    np.testing.assert_array_equal(found, scores > 0)
    np.testing.assert_allclose(poses.keypoints[found], keypoints[found], rtol=1e-3, atol=1e-2)
    assert poses.image_size == (180, 120)


def test_joints_without_a_peak_are_missing(spec: str, image_bgr: np.ndarray) -> None:
    poses = estimators.load(spec, floor=FLOOR, device="cpu").estimate(image_bgr)
    missing = poses.keypoint_scores <= 0
    assert missing.any()
    np.testing.assert_array_equal(poses.found, ~missing)


def test_the_order_of_colours_matters(spec: str, image_bgr: np.ndarray) -> None:
    estimator = estimators.load(spec, floor=FLOOR, device="cpu")
    swapped = estimator.estimate(image_bgr[:, :, ::-1].copy())
    assert not np.array_equal(swapped.scores, estimator.estimate(image_bgr).scores)


def test_nobody(spec: str, image_bgr: np.ndarray) -> None:
    poses = estimators.load(spec, floor=1.0, device="cpu").estimate(image_bgr)
    assert poses.keypoints.shape == (0, 17, 2)


def test_names_and_convention(spec: str, folders: dict[str, Path]) -> None:
    estimator = estimators.load(spec, floor=FLOOR, device="cpu")
    assert estimators.family(spec) == estimator.family == "vitpose"
    assert estimator.name == str(folders["pose"])
    assert estimator.score_convention == ScoreConvention(UNIT, UNIT_JOINTS)


def test_models_that_are_none(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(EstimatorError, match="knows no class 'person'"):
        estimators.load(f"vitpose:{folders['pose']},{folders['cats']}", floor=FLOOR)
    with pytest.raises(EstimatorError, match="cannot be loaded"):
        estimators.load(f"vitpose:{tmp_path},{tmp_path}", floor=FLOOR)
