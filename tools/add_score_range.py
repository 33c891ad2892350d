"""Adds the range of raw scores to weights trained before it was kept.

python -m tools.add_score_range WEIGHTS RESULTS…: the results that the weights were trained on.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from rcnet_rt.datasets.results import read_results, scores_of
from rcnet_rt.rescoring import weights_io

__all__ = ["add_score_range"]


def add_score_range(weights: Path, results: list[Path]) -> tuple[float, float]:
    """Rewrite a weights file with the lowest and highest raw score of some results; return them.

    Raises:
        WeightsError: the weights are damaged.
        DatasetError: the results are damaged.
    """
    scores = np.concatenate([scores_of(read_results(path)) for path in results])
    known = float(scores.min()), float(scores.max())
    weights_io.save(replace(weights_io.load(weights), score_range=known), weights)
    return known


if __name__ == "__main__":
    file, *files = map(Path, sys.argv[1:])
    print(add_score_range(file, files))
