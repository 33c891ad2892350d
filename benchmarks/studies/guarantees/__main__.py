"""`python -m benchmarks.studies.guarantees`: whether guaranteed thresholds keep their promise.

Networks are cross-fitted: every image is scored by one that was not trained on it. Then images are
drawn again and again, a threshold is chosen on them, and judged on others:

- "halves": chosen on a random half of the images, judged on the other half. That half is finite and
  fluctuates too, so that even a perfect threshold would miss the figure there now and then.
- "population": all images are taken for the population. Chosen on as many images drawn from it with
  replacement, and judged on the population, which is what the promise is about.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.common import data_option, write
from benchmarks.studies.common import out_option, provenance, write_page
from benchmarks.studies.guarantees.report import blocks
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.guarantees import (
    ScoredImages,
    guaranteed_threshold,
    likelihood_ratio_z,
)
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.evaluation.thresholds import (
    PRECISION,
    Requirement,
    precision_threshold,
)
from rcnet_rt.workflows.train import load_data, train

__all__ = ["main"]

HERE = Path(__file__).resolve().parent
PREDICTIONS = "predictions/val1540/yolov8n_640.json.gz"
DATASET = "coco-val"
LEVELS = (0.95, 0.9, 0.8)
ASSURANCE = 0.95
STRICTER = 0.99  # for halves: 1.645 √2 standard errors, since the images to come are as few
FEW_IMAGES = 150  # too few for the highest level

Floats = npt.NDArray[np.float64]
Choose = Callable[[ScoredImages, float], "float | None"]
Draw = tuple[ScoredImages, ScoredImages]


def normal_z(losses: Floats, largest_error: float) -> float:
    """Return the studentised mean, with one more image like the likelihood ratio's."""
    values = np.append(losses, largest_error)
    return -math.sqrt(len(values)) * float(values.mean() / values.std())


def betting_z(max_errors: int) -> Callable[[Floats, float], float]:
    """Return a test that is valid for every number of images with at most so many errors each.

    The wealth of a predictable bet against the hypothesis (Waudby-Smith and Ramdas, 2024).
    """

    def z(losses: Floats, largest_error: float) -> float:
        values = np.random.default_rng(0).permutation(losses)
        count = np.arange(1, len(values) + 1) + 1
        mean = np.cumsum(values) / count
        variance = (np.cumsum(values**2) + 0.25) / count
        bets = np.append(0.0, np.clip(-mean / variance, 0, 0.75 / (max_errors * largest_error)))
        stakes = np.maximum(1 - bets[:-1] * values, 1e-300)  # an image beyond the bound: all lost
        wealth = np.log(stakes).cumsum().max()
        return _quantile(math.exp(-max(wealth, 0.0)))

    return z


def _quantile(p: float) -> float:
    return -NormalDist().inv_cdf(min(max(p, 1e-15), 0.5))


TESTS = {
    "likelihood ratio": likelihood_ratio_z,
    "studentised mean": normal_z,
    "betting, at most 5 false positives an image": betting_z(5),
    "betting, at most 20 false positives an image": betting_z(20),
}


def by_point_estimate(images: ScoredImages, precision: float) -> float | None:
    """Return the threshold as `p95` is chosen: as `precision_threshold` does, but faster."""
    thresholds, precisions, _ = _curve(images)
    enough = np.flatnonzero(precisions >= precision)
    return float(thresholds[enough[-1]]) if len(enough) else None


def by_test(evidence: Callable[[Floats, float], float], assurance: float = ASSURANCE) -> Choose:
    """Return the choice of a guaranteed threshold with a test."""

    def choose(images: ScoredImages, precision: float) -> float | None:
        requirement = Requirement(PRECISION, precision)
        found = guaranteed_threshold(images, requirement, assurance, evidence).point
        return None if found is None else found.threshold

    return choose


def halves(images: ScoredImages, count: int) -> Iterator[Draw]:
    """Yield random halves."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        order = rng.permutation(len(images.people))
        middle = len(order) // 2
        yield images.take(order[:middle]), images.take(order[middle:])


def population(images: ScoredImages, count: int, size: int | None = None) -> Iterator[Draw]:
    """Yield draws with replacement, and all images."""
    rng = np.random.default_rng(0)
    every = len(images.people)
    for _ in range(count):
        yield images.take(rng.integers(0, every, size or every)), images


def judge(draws: Iterator[Draw], level: float, choices: dict[str, Choose]) -> list[dict[str, Any]]:
    """Return for each way to choose how often it kept the level, and what recall it cost."""
    kept: dict[str, list[bool]] = {name: [] for name in choices}
    cost: dict[str, list[float]] = {name: [] for name in choices}
    recall: dict[str, list[float]] = {name: [] for name in choices}
    total = 0
    for chosen_on, judged_on in draws:
        total += 1
        thresholds, precisions, recalls = _curve(judged_on)
        best = recalls[precisions >= level].max(initial=0.0)
        for name, choose in choices.items():
            threshold = choose(chosen_on, level)
            if threshold is None:
                continue
            place = int(np.searchsorted(-thresholds, -threshold, side="right")) - 1
            kept[name].append(place < 0 or bool(precisions[place] >= level))
            recall[name].append(float(recalls[place]) if place >= 0 else 0.0)
            cost[name].append(float(best) - recall[name][-1])
    return [
        {
            "choice": name,
            "draws": total,
            "kept": (sum(kept[name]) + total - len(kept[name])) / total,
            "refused": 1 - len(kept[name]) / total,
            "recall": float(np.mean(recall[name])) if recall[name] else None,
            "recall_cost": 100 * float(np.mean(cost[name])) if cost[name] else None,
        }
        for name in choices
    ]


def _curve(images: ScoredImages) -> tuple[Floats, Floats, Floats]:
    """Return falling thresholds with their precision and recall."""
    order = np.argsort(-images.scores, kind="stable")
    scores, found = images.scores[order], np.cumsum(images.oks[order] >= TRUE_POSITIVE)
    last = np.flatnonzero(np.diff(scores, append=-np.inf))
    return scores[last], found[last] / (last + 1), found[last] / images.people.sum()


def number_of_images(images: ScoredImages, draws: int) -> dict[str, Any]:
    """Return the estimate from few images, and how often that many suffice."""
    requirement = Requirement(PRECISION, LEVELS[0])
    few = [guaranteed_threshold(i, requirement) for i, _ in population(images, draws, FEW_IMAGES)]
    refused = [found for found in few if found.point is None]
    estimates = [found.images_needed for found in refused if found.images_needed is not None]
    needed = int(np.median(estimates))
    again = [guaranteed_threshold(i, requirement) for i, _ in population(images, draws, needed)]
    return {
        "images": FEW_IMAGES,
        "refused": len(refused) / draws,
        "images_needed": needed,
        "quartiles": np.quantile(estimates, [0.25, 0.75]).tolist(),
        "given_with_images_needed": sum(found.point is not None for found in again) / draws,
    }


def more_images(images: ScoredImages, draws: int) -> list[dict[str, Any]]:
    """Return what the highest level costs with several times as many images."""
    rows = []
    for times in (2, 4):
        drawn = population(images, draws, times * len(images.people))
        choices = {f"guaranteed, {times} times": by_test(likelihood_ratio_z)}
        rows += [{"precision": LEVELS[0], **row} for row in judge(drawn, LEVELS[0], choices)]
    return rows


def reachable(scores: dict[str, ScoredImages]) -> list[dict[str, Any]]:
    """Return what all images assure, for raw and refined scores."""
    rows = []
    for level in (0.99, 0.98, 0.97, *LEVELS, 0.7):
        for name, images in scores.items():
            found = guaranteed_threshold(images, Requirement(PRECISION, level), ASSURANCE)
            people = int(images.people.sum())
            best = precision_threshold(images.scores, images.oks, people, level)
            rows.append(
                {
                    "precision": level,
                    "scores": name,
                    "threshold": None if found.point is None else found.point.threshold,
                    "recall": None if found.point is None else found.point.recall,
                    "recall_in_hindsight": None if best is None else best.recall,
                    "images_needed": found.images_needed,
                }
            )
    return rows


def cross_fitted(data: Path) -> dict[str, ScoredImages]:
    """Return raw and calibrated refined scores of images that were not trained on."""
    dataset, predictions = Dataset(data / DATASET), [data / PREDICTIONS]
    with tempfile.TemporaryDirectory() as folder:
        held_out = train(dataset, predictions, out=Path(folder) / "run", workers=1).held_out
    results = load_data(dataset, predictions)
    refined = np.zeros(len(results.entries))
    refined[held_out.entries] = held_out.calibrated
    return {"raw": results.scored_images(results.scores), "refined": results.scored_images(refined)}


@click.command()
@data_option
@out_option(HERE)
@click.option("--draws", default=1000, show_default=True, help="Of images.")
@click.option("--test-draws", default=100, show_default=True, help="For the comparisons.")
def main(data: Path, out: Path, draws: int, test_draws: int) -> None:
    """Measure how often thresholds keep a precision; write results.json and RESULTS.md."""
    start = time.monotonic()
    scores = cross_fitted(data)
    refined = scores["refined"]
    two = {"point estimate": by_point_estimate, "guaranteed": by_test(likelihood_ratio_z)}
    three = {**two, "guaranteed, assurance 0.99": by_test(likelihood_ratio_z, STRICTER)}
    tests = {name: by_test(test) for name, test in TESTS.items()}
    results: dict[str, Any] = {
        "reachable": reachable(scores),
        "images_needed": number_of_images(refined, test_draws),
        "halves": [],
        "population": [],
        "tests": [],
        "more images": more_images(refined, test_draws),
    }
    out.mkdir(parents=True, exist_ok=True)
    for level in LEVELS:
        for name, drawn, choices in (
            ("halves", halves(refined, draws), three),
            ("population", population(refined, draws), two),
            ("tests", population(refined, test_draws), tests),
        ):
            rows = [{"precision": level, **row} for row in judge(drawn, level, choices)]
            results[name] += rows
            for row in rows:
                click.echo(f"{name}: {row}")
            command = "python -m benchmarks.studies.guarantees"
            results["made"] = provenance(command, time.monotonic() - start)
            write(results, out / "results.json")
    write_page(out, blocks(results))


if __name__ == "__main__":
    main()
