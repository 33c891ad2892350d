"""Weights and a threshold for a stream of poses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rcnet_rt.errors import WeightsError
from rcnet_rt.estimators import Estimator
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.families import weights_for
from rcnet_rt.rescoring.score_convention import check_convention
from rcnet_rt.rescoring.weights import Weights

__all__ = ["RAW_THRESHOLD", "Scoring", "load_scoring", "shipped_weights"]

# The default confidence of YOLO-Pose.
RAW_THRESHOLD = 0.25
FLOOR = 0.05


@dataclass(frozen=True)
class Scoring:
    """A refiner with its thresholds.

    Attributes:
        name: of the weights, "none" for scores that stay as they are.
        refine: poses -> poses with refined scores.
        threshold: refined score from which a pose is kept.
        raw_threshold: raw score that keeps about as many poses.
        floor: raw score from which the estimator should report poses.
        weights: None where scores stay as they are.
        backend: name of the backend.
        is_baseline: whether it is a baseline instead of trained weights.
    """

    name: str
    refine: Callable[[Poses], Poses]
    threshold: float
    raw_threshold: float
    floor: float
    weights: Weights | None = None
    backend: str = "none"
    is_baseline: bool = False

    @property
    def visual(self) -> bool:
        """Whether the weights read embeddings."""
        return self.weights is not None and self.weights.embedding_size > 0

    def check(self, estimator: Estimator) -> None:
        """Check that the estimator's poses and scores suit the weights.

        Raises:
            WeightsError: they have other joints, or another convention of scores.
        """
        if self.weights is None:
            return
        expected = skeletons.get(self.weights.skeleton or estimator.skeleton.name)
        if expected.keypoints != estimator.skeleton.keypoints:
            raise WeightsError(
                f"weights {self.name!r} are for the skeleton {self.weights.skeleton}, and the "
                f"estimator gives {estimator.skeleton.name}; choose other --weights, or --weights "
                "formula:score"
            )
        given = getattr(estimator, "score_convention", None)
        if given is not None:
            check_convention(self.weights, given, estimator.name)


def load_scoring(
    weights: str, threshold: str | float, *, family: str, device: str, backend: str
) -> Scoring:
    """Load weights; "auto" is those of the estimator's family or its group, else generic ones.

    Raises:
        WeightsError: unknown or damaged weights, or a threshold that they do not have.
        BackendError: a backend that is unknown or does not suit the device.
    """
    if weights == "none":
        return _unchanged(threshold)
    from rcnet_rt.refiner import Refiner

    refiner = Refiner(
        shipped_weights(family) if weights == "auto" else weights, device=device, backend=backend
    )
    chosen = refiner.weights
    return Scoring(
        name=chosen.name,
        # Where people must be avoided, a pose with a faulty number is better kept than lost.
        refine=lambda poses: refiner(poses, on_error="raw"),
        threshold=chosen.threshold(threshold),
        raw_threshold=chosen.raw_threshold,
        floor=chosen.floor or FLOOR,
        weights=chosen,
        backend=refiner.backend_name,
        is_baseline=chosen.is_baseline,
    )


def shipped_weights(family: str) -> str:
    """Return the name of the shipped weights for a family of estimators."""
    from rcnet_rt.rescoring import weights_io

    return weights_for(family, weights_io.available())


def _unchanged(threshold: str | float) -> Scoring:
    if threshold == "p95":
        raise WeightsError("--conf p95 needs trained weights; with --weights none give a number")
    number = RAW_THRESHOLD if threshold == "auto" else float(threshold)
    return Scoring("none", lambda poses: poses.with_scores(poses.scores), number, number, FLOOR)
