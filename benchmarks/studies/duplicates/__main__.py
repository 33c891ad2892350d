"""`python -m benchmarks.studies.duplicates`: what `suppress_duplicates` does to AP and to alarms.

Two skeletons on one person: of poses that are as close as an OKS, the best by refined score stays.
A false positive is a pose at the weights' threshold "auto" that is no person at an OKS of 0.5, so
a second pose of a person is one; a miss is a person that no such pose fits.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from benchmarks.common import Results, data_option, machine, report
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.ground_truth import GroundTruth
from rcnet_rt.datasets.results import Entry, poses_by_image, read_results, with_scores
from rcnet_rt.evaluation.average_precision import AveragePrecision, entry_oks
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.poses.oks import match
from rcnet_rt.poses.selection import suppress_duplicates
from rcnet_rt.refiner import Refiner
from rcnet_rt.workflows.rescore import rescore_entries

__all__ = ["main", "measure"]

HERE = Path(__file__).resolve().parent
FILES = {
    "yolov8n-pose_val2017": "yolo-pose",
    "lightweight-openpose_val2017": "lightweight-openpose",
}
LEVELS = (None, 0.95, 0.9, 0.8, 0.7, 0.5)


def measure(data: Path, name: str, weights: str) -> list[Results]:
    """Return the figures of one results file at each OKS."""
    entries = read_results(data / "predictions" / f"{name}.json.gz")
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(data / "coco", name.rpartition("_")[2], images)
    refiner = Refiner(weights)
    scored = with_scores(entries, rescore_entries(entries, refiner))
    threshold = refiner.weights.threshold("auto")
    rows = []
    for level in LEVELS:
        kept = [scored[index] for index in _kept(scored, truth, level)]
        scores = np.array([entry["score"] for entry in kept])
        false, missed = _alarms(truth, [e for e in kept if e["score"] >= threshold])
        rows.append(
            {
                "results": name,
                "oks": level,
                "poses": len(kept),
                "ap": AveragePrecision(truth, kept, images & truth.images.keys()).ap(scores),
                "threshold": threshold,
                "false_positives_per_image": false / len(images),
                "missed_per_image": missed / len(images),
            }
        )
    return rows


def _kept(entries: list[Entry], truth: GroundTruth, level: float | None) -> npt.NDArray[np.int64]:
    """Return the places of the entries that stay."""
    if level is None:
        return np.arange(len(entries))
    images = poses_by_image(entries, truth.skeleton, truth.image_sizes).values()
    masks = [suppress_duplicates(image.poses, level, truth.skeleton) for image in images]
    stay = [image.entries[mask] for image, mask in zip(images, masks, strict=True)]
    return np.sort(np.concatenate(stay))


def _alarms(truth: GroundTruth, entries: list[Entry]) -> tuple[int, int]:
    """Return the number of false positives and of missed people; ignored people count as none."""
    false = found = 0
    for image, indices, similarity in entry_oks(truth, entries):
        scores = np.array([entries[index]["score"] for index in indices])
        matched = match(similarity, truth.persons[image].ignore, scores)
        counts = matched.weight > 0
        false += int((counts & (matched.target < TRUE_POSITIVE)).sum())
        found += int((counts & (matched.target >= TRUE_POSITIVE)).sum())
    people = sum(int((~persons.ignore).sum()) for persons in truth.persons.values())
    return false, people - found


@click.command()
@data_option
@click.option("--json", "json_file", type=click.Path(path_type=Path), default=HERE / "results.json")
def main(data: Path, json_file: Path) -> None:
    """Measure AP, false positives and missed people at several OKS."""
    rows = [row for name, weights in FILES.items() for row in measure(data, name, weights)]
    report("duplicates suppressed after refining", {**machine(), "all": rows}, json_file)


if __name__ == "__main__":
    main()
