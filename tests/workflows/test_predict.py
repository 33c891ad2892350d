from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.results import poses_by_image, poses_to_entries, read_results
from rcnet_rt.datasets.resume import partial_path
from rcnet_rt.errors import DatasetError, EstimatorError, SourceError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from rcnet_rt.workflows.dataset import find_images
from rcnet_rt.workflows.predict import Job, PredictedSplit, predict, predict_splits
from rcnet_rt.workflows.progress import Progress
from tests.helpers.synthetic_coco import make_content, write_dataset

PRESENT = (2, 3, 5, 7, 8)  # images of the invented dataset whose image is there


class Counting:
    """Finds as many people as the image's first pixel says; stops on demand."""

    name, family, skeleton = "counting", "yolo-pose", COCO17

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[int] = []
        self._stop_at = stop_at

    def estimate(self, image_bgr: Image) -> Poses:
        number = int(image_bgr[0, 0, 0])
        if number == self._stop_at:
            raise KeyboardInterrupt
        self.seen.append(number)
        rng = np.random.default_rng(number)
        keypoints = rng.uniform(0, 40, (number % 3, 17, 2))
        keypoints[:, 4] = np.nan
        boxes = np.tile([1.5, 2.5, 30.1, 40.2], (len(keypoints), 1))
        confidences = rng.random((len(keypoints), 17))
        return Poses(keypoints, rng.random(len(keypoints)), confidences, boxes)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    root = write_dataset(tmp_path / "coco", make_content())
    folder = root / "images" / "val2017"
    folder.mkdir(parents=True)
    for number in PRESENT:
        pixels = np.full((48, 64, 3), number, np.uint8)
        cv2.imwrite(str(folder / f"{number:012}.png"), pixels)
        (folder / f"{number:012}.png").rename(folder / f"{number:012}.jpg")  # without loss
    return root


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch):
    def use(estimator: Counting) -> Counting:
        monkeypatch.setattr(estimators, "load", lambda *_, **__: estimator)
        return estimator

    return use


def test_entries_read_back_to_the_bit(random_poses: Poses) -> None:
    keypoints = random_poses.keypoints.copy()
    keypoints[1, 3] = np.nan
    poses = Poses(keypoints, random_poses.scores, random_poses.keypoint_scores, random_poses.boxes)
    entries = json.loads(json.dumps(poses_to_entries(poses, 42)))
    assert entries[1]["keypoints"][9:12] == [0, 0, 0]
    assert {entry["image_id"] for entry in entries} == {42}
    back = poses_by_image(entries, COCO17)[42].poses
    np.testing.assert_array_equal(back.keypoints, poses.keypoints)
    np.testing.assert_array_equal(back.scores, poses.scores)
    np.testing.assert_array_equal(back.boxes, poses.boxes)
    assert poses.keypoint_scores is not None
    assert back.keypoint_scores is not None
    found = poses.found
    np.testing.assert_array_equal(back.keypoint_scores[found], poses.keypoint_scores[found])


def test_without_joint_scores_the_third_value_is_a_flag(random_poses: Poses) -> None:
    entries = poses_to_entries(Poses(random_poses.keypoints, random_poses.scores), 42)
    assert set(entries[0]["keypoints"][2::3]) == {2.0}
    assert "bbox" not in entries[0]
    assert poses_by_image(entries, COCO17)[42].poses.keypoint_scores is None


def test_images_that_are_here(coco: Path) -> None:
    images = find_images(Dataset(coco), "val2017")
    assert tuple(images.paths) == PRESENT
    assert images.missing == 12 - len(PRESENT)
    assert tuple(find_images(Dataset(coco), "val2017", limit=2).paths) == PRESENT[:2]


def test_no_images_is_a_sentence(tmp_path: Path) -> None:
    root = write_dataset(tmp_path, make_content())
    with pytest.raises(DatasetError, match="none of the 12 images of val2017 is in"):
        find_images(Dataset(root), "val2017")


def test_results_of_every_image(
    coco: Path, tmp_path: Path, use, capsys: pytest.CaptureFixture[str]
) -> None:
    estimator = use(Counting())
    steps: list[Progress] = []
    out = tmp_path / "out.json.gz"
    predicted = predict(coco, "any", out, progress=steps.append)
    assert predicted == PredictedSplit(out, "val2017", 5, 7)
    assert estimator.seen == list(PRESENT)
    start = "5 images of val2017; 7 have no image here"
    assert steps[0] == Progress("val2017", 0, 5, start)
    assert steps[1:] == [Progress("val2017", done, 5) for done in range(1, 6)]
    assert capsys.readouterr() == ("", "")
    counts = {image: len(p.poses) for image, p in poses_by_image(read_results(out), COCO17).items()}
    assert counts == {2: 2, 5: 2, 7: 1, 8: 2}
    assert not partial_path(out).exists()


@pytest.mark.parametrize("augmentations", [0, 1])
def test_ids_are_written_as_they_are_annotated(
    coco: Path, tmp_path: Path, use, augmentations: int
) -> None:
    path = coco / "annotations" / "person_keypoints_val2017.json"
    content = json.loads(path.read_text())
    for image in content["images"]:
        image["id"] = f"img-{image['id']}"
    for annotation in content["annotations"]:
        annotation["image_id"] = f"img-{annotation['image_id']}"
    content.pop("full_real_image_ids")
    path.write_text(json.dumps(content))
    use(Counting())
    out = tmp_path / "out.json"
    predict(coco, "any", out, augmentations=augmentations)
    ids = {entry["image_id"] for entry in read_results(out)}
    assert ids
    assert ids <= {f"img-{number}" for number in PRESENT}


def test_only_the_best_poses_are_kept(coco: Path, tmp_path: Path, use) -> None:
    use(Counting())
    everything, best = tmp_path / "all.json", tmp_path / "best.json"
    predict(coco, "any", everything)
    predict(Dataset(coco), "any", best, max_det=1)
    entries = read_results(everything)
    for image in (2, 5, 7, 8):
        scores = [entry["score"] for entry in entries if entry["image_id"] == image]
        kept = [entry["score"] for entry in read_results(best) if entry["image_id"] == image]
        assert kept == [max(scores)]


def test_an_interrupted_run_goes_on(coco: Path, tmp_path: Path, use) -> None:
    whole, out = tmp_path / "whole.json", tmp_path / "out.json"
    use(Counting())
    predict(coco, "any", whole)
    use(Counting(stop_at=7))
    with pytest.raises(KeyboardInterrupt):
        predict(coco, "any", out)
    assert not out.exists()
    with partial_path(out).open("ab") as file:
        file.write(b'{"image_id": 7, "entr')  # the power failed in the middle of a line
    started: list[int] = []
    estimator = use(Counting())
    predict(coco, "any", out, progress=lambda step: started.append(step.done))
    assert started == [3, 4, 5]
    assert estimator.seen == [7, 8]
    assert out.read_bytes() == whole.read_bytes()
    assert not partial_path(out).exists()


@pytest.mark.parametrize("workers", [2, 4])
def test_several_workers_write_the_same_and_go_on(
    coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    made: list[Counting] = []

    def use(stop_at: int | None) -> None:
        made.clear()
        monkeypatch.setattr(
            estimators, "load", lambda *_, **__: made.append(Counting(stop_at)) or made[-1]
        )

    whole, out = tmp_path / "whole.json", tmp_path / "out.json"
    use(None)
    predict(coco, "any", whole, workers=1)
    use(7)
    with pytest.raises(KeyboardInterrupt):
        predict(coco, "any", out, workers=workers)
    done = [json.loads(line) for line in partial_path(out).read_bytes().splitlines()[1:]]
    assert [record["image_id"] for record in done] == [2, 3, 5]
    use(None)
    predict(coco, "any", out, workers=workers)
    assert sorted(number for estimator in made for number in estimator.seen) == [7, 8]
    assert out.read_bytes() == whole.read_bytes()


def test_another_floor_is_another_job(coco: Path, tmp_path: Path, use) -> None:
    use(Counting(stop_at=7))
    with pytest.raises(KeyboardInterrupt):
        predict(coco, "any", tmp_path / "out.json")
    with pytest.raises(DatasetError, match="belongs to another job"):
        predict(coco, "any", tmp_path / "out.json", floor=0.1)


def test_a_model_that_does_not_load_leaves_nothing(coco: Path, tmp_path: Path) -> None:
    with pytest.raises(EstimatorError, match=r"absent\.pt does not exist"):
        predict(coco, "absent.pt", tmp_path / "out.json")
    with pytest.raises(EstimatorError, match="answers frames in their order"):
        predict(coco, "replay:any.jsonl", tmp_path / "out.json")
    assert [path.name for path in tmp_path.iterdir()] == ["coco"]


def test_another_skeleton_is_a_sentence(coco: Path, tmp_path: Path, use) -> None:
    use(Counting()).skeleton = skeletons.CROWDPOSE14
    with pytest.raises(EstimatorError, match="gives crowdpose14 poses, the dataset has coco17"):
        predict(coco, "any", tmp_path / "out.json")


def test_a_damaged_image_keeps_what_is_done(coco: Path, tmp_path: Path, use) -> None:
    use(Counting())
    (coco / "images" / "val2017" / f"{5:012}.jpg").write_bytes(b"")
    with pytest.raises(SourceError, match="empty or damaged"):
        predict(coco, "any", tmp_path / "out.json")
    assert len(partial_path(tmp_path / "out.json").read_bytes().splitlines()) == 3


def test_a_model_that_is_a_path_is_the_same_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "best.pt").touch()
    monkeypatch.chdir(tmp_path)
    assert Job("best.pt", "val2017").record == Job(str(tmp_path / "best.pt"), "val2017").record
    assert Job("yolo-pose", "val2017").record["model"] == "yolo-pose"


def test_a_record_names_the_size_of_the_input_only_where_one_is_chosen() -> None:
    usual = Job("yolo-pose", "val2017").record
    assert not {"imgsz", "half"} & set(usual)
    chosen = Job("yolo-pose", "val2017", imgsz=(320, 640), half=True).record
    assert chosen == usual | {"imgsz": [320, 640], "half": True}


def test_what_training_needs_is_predicted_once(coco: Path, tmp_path: Path, use) -> None:
    estimator = use(Counting())
    write_dataset(coco, make_content(), split="train2017")  # without images
    steps: list[Progress] = []
    folder = tmp_path / "new" / "folder"
    paths = predict_splits(coco, "any", folder, max_det=1, progress=steps.append)
    assert paths == [folder / "predictions_val2017.json.gz"]
    assert steps[0].message == "any predicts val2017 …"
    assert not any(step.message for step in steps[1:])
    assert len(read_results(paths[0])) == 4
    assert len(estimator.seen) == 5
    assert predict_splits(coco, "any", folder, split="val2017") == paths
    assert len(estimator.seen) == 5
    with pytest.raises(DatasetError, match="none of the 12 images of train2017"):
        predict_splits(coco, "any", folder, split="train2017")


def test_what_no_pose_has_is_named(coco: Path, tmp_path: Path, use) -> None:
    use(Counting())
    predicted = predict(coco, "any", tmp_path / "out.json", candidates=True, embeddings=True)
    assert predicted.absent == ("consensus", "embedding")
    with pytest.raises(FrozenInstanceError):
        predicted.images = 0  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # other people's packages
def test_the_real_model_gives_the_shared_predictions(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    out = tmp_path / "out.json"
    predict(shared_data / "coco", model, out, limit=5)
    entries = read_results(out)
    images = {entry["image_id"] for entry in entries}
    recorded = [
        entry
        for entry in read_results(shared_data / "predictions" / "yolov8n-pose_val2017.json.gz")
        if entry["image_id"] in images
    ]
    assert len(entries) == len(recorded)

    def values(entry: dict) -> list[float]:
        return [entry["image_id"], entry["score"], *entry["keypoints"], *entry["bbox"]]

    ours, theirs = (sorted(map(values, some)) for some in (entries, recorded))
    strong = [row[1] > 0.05 for row in theirs]  # weaker ones tie when rounded
    np.testing.assert_allclose(np.array(ours)[strong], np.array(theirs)[strong], atol=0.02)


def with_signals(poses: Poses) -> Poses:
    rng = np.random.default_rng(1)
    consensus = rng.random((len(poses), len(CONSENSUS)))
    consensus[1] = np.nan
    agreement = np.array([0.5, np.nan, *rng.random(len(poses) - 2)])
    return replace(
        poses, consensus=consensus, agreement=agreement, embeddings=rng.random((len(poses), 4))
    )


def test_signals_read_back_to_the_bit(random_poses: Poses) -> None:
    poses = with_signals(random_poses)
    entries = json.loads(json.dumps(poses_to_entries(poses, 7)))
    assert "consensus" not in entries[1]
    assert "agreement" not in entries[1]
    back = poses_by_image(entries, COCO17)[7].poses
    for name in ("consensus", "agreement", "embeddings"):
        np.testing.assert_array_equal(getattr(back, name), getattr(poses, name))


def test_signals_of_other_lengths_are_a_sentence(random_poses: Poses) -> None:
    entries = poses_to_entries(with_signals(random_poses), 7)
    entries[0]["consensus"] = [1.0, 2.0]
    with pytest.raises(DatasetError, match="image 7: consensus, agreement, embedding"):
        poses_by_image(entries, COCO17)
