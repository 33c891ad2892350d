"""Weights and a threshold for a stream of poses."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rcnet_rt.errors import WeightsError
from rcnet_rt.estimators import Estimator
from rcnet_rt.monitoring.profile import CameraProfile
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.families import SHIPPED, weights_for
from rcnet_rt.rescoring.score_convention import check_convention
from rcnet_rt.rescoring.score_reference import ScoreReference
from rcnet_rt.rescoring.weights import GUARANTEED, Weights

if TYPE_CHECKING:
    from rcnet_rt.refiner import OnError, Refiner

__all__ = ["RAW_THRESHOLD", "Scoring", "load_scoring", "shipped_weights"]

# The default confidence of YOLO-Pose.
RAW_THRESHOLD = 0.25
FLOOR = 0.05
# Where people must be avoided, a pose with a faulty number is better kept than lost.
ON_ERROR: OnError = "raw"


@dataclass(frozen=True)
class Scoring:
    """A refiner with its thresholds; the refiner opens while an estimator is loaded.

    Attributes:
        name: of the weights, "none" for scores that stay as they are.
        threshold: refined score from which a pose is kept.
        raw_threshold: raw score that keeps about as many poses.
        floor: raw score from which the estimator should report poses.
        weights: None where scores stay as they are.
        refiner: with these weights, once it is open; None where scores stay as they are.
        reference: the estimator's other scores on this camera; None where they are not known, or
            the weights do not use them.
    """

    name: str
    threshold: float
    raw_threshold: float
    floor: float
    weights: Weights | None = None
    refiner: Future[Refiner] | None = None
    reference: ScoreReference | None = None

    def refine(self, poses: Poses) -> Poses:
        """Return the poses with refined scores.

        Raises:
            BackendError: the backend does not suit the device, or does not work here.
        """
        if self.refiner is None:
            return poses.with_scores(poses.scores)
        return self.refiner.result()(poses, reference=self.reference, on_error=ON_ERROR)

    def refine_batch(self, images: Sequence[Poses]) -> list[Poses]:
        """Return the poses of several images with refined scores; it costs less than one by one.

        Raises:
            BackendError: as `refine`.
        """
        if self.refiner is None:
            return [self.refine(poses) for poses in images]
        return self.refiner.result().batch(images, reference=self.reference, on_error=ON_ERROR)

    @property
    def backend(self) -> str:
        """Name of the backend, "none" where scores stay as they are."""
        return "none" if self.refiner is None else self.refiner.result().backend_name

    @property
    def is_baseline(self) -> bool:
        """Whether it is a baseline instead of trained weights."""
        return self.weights is not None and self.weights.is_baseline

    @property
    def visual(self) -> bool:
        """Whether the weights read embeddings."""
        return self.weights is not None and self.weights.embedding_size > 0

    def check(self, estimator: Estimator) -> None:
        """Check that the estimator's poses and scores suit the weights, and that the refiner opens.

        Raises:
            WeightsError: they have other joints, or another convention of scores.
            BackendError: the backend does not suit the device, or does not work here.
        """
        if self.weights is None or self.refiner is None:
            return
        self.refiner.result()
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
    weights: str,
    threshold: str | float,
    *,
    family: str,
    device: str,
    backend: str,
    profile: CameraProfile | None = None,
) -> Scoring:
    """Load weights; "auto" is those of the estimator's family or its group, else generic ones.

    With a profile of the camera, the threshold "auto" is the profile's where it has one, and
    "profile" demands it.

    What the backend raises comes with the first use of the result, at the latest by its `check`.

    Raises:
        WeightsError: unknown or damaged weights, or a threshold that they do not have.
    """
    threshold = _of_profile(threshold, profile)
    if weights == "none":
        return _unchanged(threshold)
    from rcnet_rt.refiner import Refiner, find_weights

    chosen = find_weights(shipped_weights(family) if weights == "auto" else weights)
    wanted = chosen.threshold(threshold)  # fails before anything is opened
    background = ThreadPoolExecutor(1, "refiner")
    refiner = background.submit(Refiner, chosen, device=device, backend=backend)
    # Work beside it on a GPU would disturb the capture of a graph there.
    background.shutdown(wait=device not in ("auto", "cpu"))
    return Scoring(
        name=chosen.name,
        threshold=wanted,
        raw_threshold=chosen.raw_threshold,
        floor=chosen.floor or FLOOR,
        weights=chosen,
        refiner=refiner,
        reference=profile.reference if profile and chosen.uses_reference else None,
    )


def _of_profile(threshold: str | float, profile: CameraProfile | None) -> str | float:
    """Return the threshold with "auto" and "profile" replaced by that of a profile.

    Raises:
        WeightsError: "profile" without a profile, or one without a threshold.
    """
    if threshold == "profile":
        if profile is None:
            raise WeightsError(
                "--conf profile needs --profile FILE, which `rcnet-rt profile` makes; give it, or "
                "another --conf"
            )
        return profile.required_threshold()
    if threshold == "auto" and profile is not None and profile.threshold is not None:
        return profile.threshold
    return threshold


def shipped_weights(family: str) -> str:
    """Return the name of the shipped weights for a family of estimators.

    An installation that lacks them is told on loading: no other weights take their place.
    """
    from rcnet_rt.rescoring import weights_io

    return weights_for(family, {*SHIPPED, *weights_io.available()})


def _unchanged(threshold: str | float) -> Scoring:
    if threshold in ("p95", GUARANTEED):
        raise WeightsError(
            f"--conf {threshold} needs trained weights; with --weights none give a number"
        )
    number = RAW_THRESHOLD if threshold == "auto" else float(threshold)
    return Scoring("none", number, number, FLOOR)
