"""Keypoint R-CNN: against torchvision's own output, with random parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.torchvision import KeypointRcnn
from rcnet_rt.rescoring.score_convention import ScoreConvention

detection = pytest.importorskip(
    "torchvision.models.detection", reason="torchvision is not installed: rcnet-rt[torchvision]"
)
pytestmark = pytest.mark.filterwarnings("ignore")  # torchvision's own

FLOOR = 0.05


@pytest.fixture(scope="module")
def model() -> Any:
    """A small Keypoint R-CNN of random parameters."""
    rcnn = detection.keypoint_rcnn
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = detection.backbone_utils.resnet_fpn_backbone(
            backbone_name="resnet18", weights=None
        )
        built = rcnn.KeypointRCNN(
            backbone,
            num_classes=2,
            keypoint_head=rcnn.KeypointRCNNHeads(256, (32,)),
            keypoint_predictor=rcnn.KeypointRCNNPredictor(32, 17),
            min_size=96,
            max_size=160,
            box_score_thresh=0.0,
            box_detections_per_img=6,
            rpn_pre_nms_top_n_test=50,
            rpn_post_nms_top_n_test=20,
        )
    return built.eval()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (96, 144, 3)).astype(np.uint8)


def test_poses_are_torchvisions(model: Any, image: np.ndarray) -> None:
    estimator = KeypointRcnn(model, floor=0.0, device="cpu")
    poses = estimator.estimate(image)
    rgb = torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1) / 255
    with torch.inference_mode():
        (expected,) = model([rgb])
    assert len(poses) == len(expected["scores"]) == 6
    np.testing.assert_array_equal(poses.keypoints, expected["keypoints"][..., :2])
    np.testing.assert_array_equal(poses.scores, expected["scores"])
    np.testing.assert_array_equal(poses.keypoint_scores, expected["keypoints_scores"])
    np.testing.assert_array_equal(poses.boxes, expected["boxes"])
    assert poses.image_size == (144, 96)
    assert poses.found.all(), "it never leaves a joint out"
    assert (poses.boxes[:, 2] > 96).any(), "x runs along the width"


def test_the_order_of_colours_matters(model: Any, image: np.ndarray) -> None:
    estimator = KeypointRcnn(model, floor=0.0, device="cpu")
    swapped = estimator.estimate(image[:, :, ::-1].copy())
    assert not np.array_equal(swapped.scores, estimator.estimate(image).scores)


def test_scores_are_probabilities_and_joint_scores_are_logits(
    model: Any, image: np.ndarray
) -> None:
    poses = KeypointRcnn(model, floor=0.0, device="cpu").estimate(image)
    assert ((poses.scores >= 0) & (poses.scores <= 1)).all()
    assert ((poses.keypoint_scores < 0) | (poses.keypoint_scores > 1.1)).any()
    assert ScoreConvention.of([poses]) == KeypointRcnn.score_convention


def test_the_floor(model: Any, image: np.ndarray) -> None:
    everybody = KeypointRcnn(model, floor=0.0, device="cpu").estimate(image).scores
    floor = float(np.median(everybody))
    kept = KeypointRcnn(model, floor=floor, device="cpu").estimate(image).scores
    np.testing.assert_array_equal(kept, everybody[everybody >= floor])
    assert len(KeypointRcnn(model, floor=1.1, device="cpu").estimate(image)) == 0


def test_parameters_from_a_file(tmp_path: Path) -> None:
    model = detection.keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    path = tmp_path / "mine.pth"
    torch.save(model.state_dict(), path)
    assert estimators.family(f"keypointrcnn:{path}") == "keypointrcnn"
    estimator = estimators.load(f"keypointrcnn:{path}", floor=FLOOR, device="cpu")
    loaded = estimator._model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(EstimatorError, match=r"no model file at nothere\.pth"):
        estimators.load("keypointrcnn:nothere.pth", floor=FLOOR)
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(EstimatorError, match=r"other\.pth cannot be loaded"):
        estimators.load(f"keypointrcnn:{path}", floor=FLOOR)
    torch.save(Path("a pickle that is a program"), path)
    with pytest.raises(EstimatorError, match=r"other\.pth cannot be loaded"):
        estimators.load(f"keypointrcnn:{path}", floor=FLOOR)
