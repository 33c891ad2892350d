"""Times the AP of new scores against COCO's tools: `python -m benchmarks.speed.evaluation [--json FILE]`.

After every epoch of a training the same poses have new scores. pycocotools and faster-coco-eval
start from the keypoints each time, ground truth loaded; `AveragePrecision` keeps all that does not
depend on the scores. Each gets the same new scores in every round, and all must agree on the AP.
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

import numpy as np

from benchmarks.common import Results, Timing, parser, report, side_by_side
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import Entry, read_results, with_scores
from rcnet_rt.evaluation.average_precision import AveragePrecision

__all__ = ["main", "measure"]

DATA = Path("../shared/data")
RESULTS = "lightweight-openpose_val2017"
AGREE = 1e-6
OURS, PEERS = "AveragePrecision", ("faster-coco-eval", "pycocotools")

Judge = Callable[[], float]


def measure(data: Path = DATA, results: str = RESULTS, calls: int = 5) -> Results:
    """Time all three in turn.

    Args:
        data: folder with coco/ and predictions/.
        results: name of the predictions, ending with that of the split.
        calls: how often each is timed.

    Raises:
        DatasetError: there are no such data.
        AssertionError: the figures differ by more than 1e-6.
    """
    split = results.rpartition("_")[2]
    entries = read_results(data / "predictions" / f"{results}.json.gz")
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(data / "coco", split, images)
    start = time.perf_counter()
    judge = AveragePrecision(truth, entries)
    seconds = time.perf_counter() - start
    scores = np.random.default_rng(0).random(len(entries))
    rescored = with_scores(entries, scores)
    content = _content(data / "coco" / "annotations" / f"person_keypoints_{split}.json.gz", images)
    judges: dict[str, Judge] = {
        OURS: lambda: judge.ap(scores),
        PEERS[0]: _faster_coco_eval(content, rescored),
        PEERS[1]: _pycocotools(content, rescored),
    }
    found = {name: function() for name, function in judges.items()}
    apart = max(abs(ap - found[OURS]) for ap in found.values())
    assert apart <= AGREE, f"the judges disagree: {found}"
    timings = side_by_side(judges, calls=calls, warm_up=1)
    return {
        "results": results,
        "images": len(images),
        "poses": len(entries),
        "largest_difference_of_ap": apart,
        "preparing_once_seconds": seconds,
        "all": [_record(name, timings) for name in judges],
    }


def _record(name: str, timings: dict[str, Timing]) -> Results:
    seconds = timings[name].p50
    return {"judge": name, "seconds": seconds, "times_ours": seconds / timings[OURS].p50}


def _pycocotools(content: dict[str, Any], entries: Sequence[Entry]) -> Judge:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return _judge(COCO, COCOeval, content, entries)


def _faster_coco_eval(content: dict[str, Any], entries: Sequence[Entry]) -> Judge:
    from faster_coco_eval import COCO, COCOeval_faster

    return _judge(COCO, COCOeval_faster, content, entries)


def _judge(coco: Any, evaluation: Any, content: dict[str, Any], entries: Sequence[Entry]) -> Judge:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco()
        truth.dataset = content
        truth.createIndex()

    def judge() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            results = truth.loadRes([dict(entry) for entry in entries])
            run = evaluation(truth, results, "keypoints")
            run.params.imgIds = sorted({entry["image_id"] for entry in entries})
            run.evaluate()
            run.accumulate()
            run.summarize()
        return float(run.stats[0])

    return judge


def _content(path: Path, images: set[int]) -> dict[str, Any]:
    """Return the annotation file cut down to some images."""
    content: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    content["images"] = [image for image in content["images"] if image["id"] in images]
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in images]
    return content


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and show."""
    options = parser("Time the AP of new scores against COCO's tools.")
    options.add_argument("--data", type=Path, default=DATA, help="has coco/ and predictions/")
    options.add_argument("--results", default=RESULTS, help="name of a file of predictions")
    options.add_argument("--calls", type=int, default=5, help="how often each is timed")
    chosen = options.parse_args(arguments)
    results = measure(chosen.data, chosen.results, chosen.calls)
    report("AP of new scores", results, chosen.json)


if __name__ == "__main__":
    main()
