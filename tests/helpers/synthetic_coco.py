"""A small invented COCO dataset with every awkward case, and pycocotools' evaluation of it."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def make_content(seed: int = 0, images: int = 12) -> dict[str, Any]:
    """Return ground truth with crowds, people without labelled joints and an image of nobody."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image in range(1, images + 1):
        for _ in range(0 if image == 1 else int(rng.integers(1, 6))):
            kind = rng.choice(["person", "person", "person", "crowd", "unlabelled"])
            corner, size = rng.uniform(0, 300, 2), rng.uniform(20, 160, 2)
            visible = rng.integers(0, 3, 17) if kind == "person" else np.zeros(17, dtype=int)
            points = np.round(corner + rng.random((17, 2)) * size) * (visible > 0)[:, None]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "iscrowd": int(kind == "crowd"),
                    "num_keypoints": int((visible > 0).sum()),
                    "keypoints": np.column_stack([points, visible]).astype(int).ravel().tolist(),
                    "bbox": [*corner.round(2).tolist(), *size.round(2).tolist()],
                    "area": round(float(size.prod() * 0.5), 2),
                }
            )
    return {
        "images": [
            {"id": image, "file_name": f"{image:012}.jpg", "width": 480, "height": 480}
            for image in range(1, images + 1)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": ["joint"] * 17}],
        "annotations": annotations,
        "full_real_image_ids": [1, 2, 3, 4, 5],
    }


def make_results(content: dict[str, Any], seed: int = 0, boxes: bool = True) -> list[dict]:
    """Return results: good poses, duplicates, background, over 20 on an image, equal scores."""
    rng = np.random.default_rng(seed)
    entries = []
    for annotation in content["annotations"]:
        joints = np.array(annotation["keypoints"], dtype=float).reshape(17, 3)
        x, y, width, height = annotation["bbox"]
        copies = int(rng.integers(0, 8)) if annotation["image_id"] == 3 else int(rng.integers(0, 3))
        for _ in range(copies):
            guess = rng.random((17, 2)) * (width, height) + (x, y)
            points = np.where(joints[:, 2:] > 0, joints[:, :2], guess)
            points += rng.normal(0, rng.choice([1, 4, 12]), (17, 2))
            entries.append(_entry(annotation["image_id"], points, rng, boxes))
    for image in (1, *([3] * 18), 5):
        entries.append(_entry(image, rng.uniform(0, 400, (17, 2)), rng, boxes))
    return [entries[index] for index in rng.permutation(len(entries))]


def _entry(image: int, points: np.ndarray, rng: np.random.Generator, boxes: bool) -> dict[str, Any]:
    confidences = rng.random(17)
    low, high = points.min(0) - rng.uniform(0, 30, 2), points.max(0) + rng.uniform(0, 30, 2)
    box = {"bbox": [*low.tolist(), *(high - low).tolist()]} if boxes else {}
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": np.column_stack([points, confidences]).ravel().tolist(),
        "score": round(float(rng.random()), 1),
        **box,
    }


def write_dataset(root: Path, content: dict[str, Any], split: str = "val2017") -> Path:
    """Write the ground truth as a COCO folder has it, and return the folder."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    path = root / "annotations" / f"person_keypoints_{split}.json"
    path.write_text(json.dumps(content))
    return root


def silence() -> AbstractContextManager[Any]:
    """Keep what COCO's tools print from the screen."""
    return contextlib.redirect_stdout(io.StringIO())


def pycocotools_judge(
    content: dict[str, Any], entries: Sequence[dict], images: Collection[int]
) -> COCOeval:
    """Return pycocotools' evaluation, not yet run, and without its chatter."""
    with silence():
        truth = COCO()
        truth.dataset = copy.deepcopy(content)
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(copy.deepcopy(list(entries))), "keypoints")
    judge.params.imgIds = sorted(images)
    return judge


def pycocotools_stats(
    content: dict[str, Any],
    entries: Sequence[dict],
    images: Collection[int],
    sigmas: Sequence[float] = (),
) -> np.ndarray:
    """Return pycocotools' ten keypoint metrics, NaN where it has -1.

    With COCO's sigmas unless others are given.
    """
    judge = pycocotools_judge(content, entries, images)
    if sigmas:
        judge.params.kpt_oks_sigmas = np.array(sigmas)
    with silence():
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    stats = np.array(judge.stats)
    return np.where(stats < 0, np.nan, stats)


def read_content(shared_data: Path, split: str, images: Collection[int]) -> dict[str, Any]:
    """Return the real ground truth of some images, as the file has it."""
    import gzip

    path = shared_data / "coco" / "annotations" / f"person_keypoints_{split}.json.gz"
    content = json.loads(gzip.decompress(path.read_bytes()))
    wanted = set(images)
    content["images"] = [image for image in content["images"] if image["id"] in wanted]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in wanted]
    return content
