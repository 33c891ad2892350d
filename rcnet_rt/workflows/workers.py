"""The estimators of a run: one for each image that is worked on at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators import (
    BatchEstimator,
    EmbeddingEstimator,
    Estimator,
    ParallelEstimator,
)
from rcnet_rt.video.thread_budget import ThreadBudget, thread_budget

__all__ = ["Parallelism", "Workers", "load_workers"]

PROBE = (64, 64, 3)  # the image that shows whether a model takes batches


@dataclass(frozen=True)
class Parallelism:
    """How many images are worked on at a time.

    Attributes:
        workers: that estimate, each an image of its own; None is one a CPU where the estimator runs
            on the CPU with a chosen number of threads, else 1.
        batch: images that a worker gives the estimator at once.
        threads: CPUs to share; None is all that this process may use.
    """

    workers: int | None = None
    batch: int = 1
    threads: int | None = None

    @property
    def several(self) -> bool:
        """Whether more than one image at a time is asked for."""
        return max(self.workers or 1, self.batch) > 1

    def budget(self, *, live: bool = False) -> ThreadBudget:
        """Return the threads of a run; a live source is worked on image by image.

        Raises:
            EstimatorError: a live source, and several workers or batches are asked for.
        """
        if live and self.several:
            raise EstimatorError(
                "a camera or stream is worked on frame by frame, so that results are not late; "
                "leave out --workers and --batch"
            )
        workers = 1 if self.batch > 1 and self.workers is None else self.workers
        return thread_budget(live=live, workers=workers, cpus=self.threads)


@dataclass(frozen=True)
class Workers:
    """Estimators that were loaded alike, and the threads that they and the others have.

    Attributes:
        estimators: of each worker; the same one where several threads may call it.
        budget: of all threads.
        batch: images that each takes at once.
    """

    estimators: tuple[Estimator, ...]
    budget: ThreadBudget
    batch: int = 1

    @property
    def first(self) -> Estimator:
        """The estimator that answers for all."""
        return self.estimators[0]


def load_workers(
    model: str,
    parallelism: Parallelism,
    budget: ThreadBudget,
    *,
    floor: float,
    device: str,
    embeddings: bool = False,
    imgsz: int | tuple[int, int] | None = None,
    half: bool = False,
) -> Workers:
    """Load the estimator of each worker.

    Args:
        model: as for `estimators.load`.
        parallelism: what is asked for.
        budget: of `parallelism`.
        floor: poses with a lower raw score are not returned.
        device: "auto", "cpu", "cuda", …
        embeddings: give poses their embeddings, where the estimator can.
        imgsz: as for `estimators.load`.
        half: as for `estimators.load`.

    Raises:
        EstimatorError: it cannot be loaded, or does not take several workers or batches.
    """

    def load(streams: int, threads: int) -> Estimator:
        estimator = estimators.load(
            model,
            floor=floor,
            device=device,
            streams=streams,
            threads=threads,
            imgsz=imgsz,
            half=half,
        )
        if embeddings and isinstance(estimator, EmbeddingEstimator):
            estimator.show_embeddings()
        return estimator

    count, batch = budget.workers, parallelism.batch
    if model.startswith("replay:") and parallelism.several:
        raise EstimatorError(
            f"{model} is a recording, which is read frame by frame; leave out --workers and --batch"
        )
    first = load(count, budget.cpus)
    if batch > 1:
        _check_batches(first, batch)
    if count == 1 or (isinstance(first, ParallelEstimator) and first.streams == count):
        return Workers((first,) * count, budget, batch)
    if parallelism.workers is None:
        return Workers((first,), budget.of_one_worker(), batch)
    return Workers(tuple(load(1, budget.estimator) for _ in range(count)), budget, batch)


def _check_batches(estimator: Estimator, batch: int) -> None:
    """Check that an estimator takes so many images at once.

    Raises:
        EstimatorError: it does not.
    """
    if not isinstance(estimator, BatchEstimator):
        raise EstimatorError(f"{estimator.name} takes one image at a time; leave out --batch")
    try:
        estimator.estimate_batch([np.zeros(PROBE, np.uint8)] * batch)
    except EstimatorError as error:
        raise EstimatorError(
            f"{estimator.name} does not take {batch} images at once ({error}); leave "
            "out --batch, or export the model with that batch size"
        ) from error
