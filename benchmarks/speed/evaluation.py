"""AP of new scores, timed against COCO's tools: `python -m benchmarks.speed.evaluation`.

After every epoch of a training the same poses have new scores. pycocotools and faster-coco-eval
start from the keypoints each time, with the ground truth loaded; `AveragePrecision` keeps all that
does not depend on the scores. Each gets the same new scores in every round; all must agree on AP.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.common import (
    Results,
    Timing,
    data_folder,
    data_option,
    json_option,
    report,
    side_by_side,
)
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import Entry, read_results, with_scores
from rcnet_rt.evaluation.average_precision import AveragePrecision

__all__ = ["main", "measure"]

RESULTS = "lightweight-openpose_val2017"
TOLERANCE = 1e-6  # of AP
OURS, PEERS = "AveragePrecision", ("faster-coco-eval", "pycocotools")

Evaluator = Callable[[], float]


def measure(data: Path | None = None, results: str = RESULTS, calls: int = 5) -> Results:
    """Time `AveragePrecision` and COCO's two tools in turn.

    Args:
        data: folder with coco/ and predictions/; by default `data_folder()`.
        results: name of the predictions, ending with that of the split.
        calls: how often each is timed.

    Raises:
        DatasetError: there is no such data.
        AssertionError: the figures differ by more than 1e-6.
    """
    data = data or data_folder()
    split = results.rpartition("_")[2]
    entries = read_results(data / "predictions" / f"{results}.json.gz")
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(data / "coco", split, images)
    start = time.perf_counter()
    precision = AveragePrecision(truth, entries)
    seconds = time.perf_counter() - start
    scores = np.random.default_rng(0).random(len(entries))
    rescored = with_scores(entries, scores)
    content = _content(data / "coco" / "annotations" / f"person_keypoints_{split}.json.gz", images)
    evaluators: dict[str, Evaluator] = {
        OURS: lambda: precision.ap(scores),
        PEERS[0]: _faster_coco_eval(content, rescored),
        PEERS[1]: _pycocotools(content, rescored),
    }
    found = {name: function() for name, function in evaluators.items()}
    apart = max(abs(ap - found[OURS]) for ap in found.values())
    assert apart <= TOLERANCE, f"the evaluators disagree on AP: {found}"
    timings = side_by_side(evaluators, calls=calls, warm_up=1)
    return {
        "results": results,
        "images": len(images),
        "poses": len(entries),
        "largest_difference_of_ap": apart,
        "preparing_once_seconds": seconds,
        "all": [_record(name, timings) for name in evaluators],
    }


def _record(name: str, timings: dict[str, Timing]) -> Results:
    seconds = timings[name].p50
    return {"evaluator": name, "seconds": seconds, "times_ours": seconds / timings[OURS].p50}


def _pycocotools(content: dict[str, Any], entries: Sequence[Entry]) -> Evaluator:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return _evaluator(COCO, COCOeval, content, entries)


def _faster_coco_eval(content: dict[str, Any], entries: Sequence[Entry]) -> Evaluator:
    from faster_coco_eval import COCO, COCOeval_faster

    return _evaluator(COCO, COCOeval_faster, content, entries)


def _evaluator(
    coco: Any, evaluation: Any, content: dict[str, Any], entries: Sequence[Entry]
) -> Evaluator:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco()
        truth.dataset = content
        truth.createIndex()

    def evaluate() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            results = truth.loadRes([dict(entry) for entry in entries])
            run = evaluation(truth, results, "keypoints")
            run.params.imgIds = sorted({entry["image_id"] for entry in entries})
            run.evaluate()
            run.accumulate()
            run.summarize()
        return float(run.stats[0])

    return evaluate


def _content(path: Path, images: set[int]) -> dict[str, Any]:
    """Return the annotation file cut down to some images."""
    content: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    content["images"] = [image for image in content["images"] if image["id"] in images]
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in images]
    return content


@click.command()
@data_option
@click.option("--results", default=RESULTS, show_default=True, help="Name of the predictions.")
@click.option("--calls", default=5, show_default=True, help="How often each is timed.")
@json_option
def main(data: Path, results: str, calls: int, json_file: Path | None) -> None:
    """Time the AP of new scores against COCO's tools."""
    report("AP of new scores", measure(data, results, calls), json_file)


if __name__ == "__main__":
    main()
