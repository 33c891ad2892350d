"""What is known about a camera without a label, as one JSON file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.files import read_json, write_json
from rcnet_rt.errors import DatasetError, PosesError, WeightsError
from rcnet_rt.monitoring.drift import Reference
from rcnet_rt.monitoring.estimates import CONFIDENCE, Curve, Figure
from rcnet_rt.rescoring.score_reference import ScoreReference
from rcnet_rt.version import __version__

__all__ = ["LEVELS", "CameraProfile", "Setup", "quantiles"]

FORMAT = 1
LEVELS = tuple(level / 20 for level in range(21))  # of the quantiles of a distribution
FIGURES = ("precision", "recall", "f1")
DIGITS = 6  # of estimated figures in a file


@dataclass(frozen=True)
class Setup:
    """What a camera's scores come from; a profile is for one setup only.

    Attributes:
        estimator: its name.
        imgsz: the size that it fits images into as (height, width); None is the model's own.
        skeleton: name of the skeleton.
        weights: name of the weights, "none" for scores that stay as they are.
        fingerprint: of the weights, see `Weights.fingerprint`; "" without weights.
    """

    estimator: str
    imgsz: tuple[int, int] | None
    skeleton: str
    weights: str
    fingerprint: str


@dataclass(frozen=True, eq=False)
class CameraProfile:
    """Scores, poses and images of one camera, and what they say of precision and recall.

    Attributes:
        source: what was looked at, without credentials.
        setup: what the scores come from.
        frames: number of frames.
        poses: number of poses in them, from the floor of the raw scores on.
        frame_rate: frames per second; None for images.
        reference: the estimator's raw scores, for weights that use them.
        distributions: quantiles at `LEVELS` by name: "refined_score" over all poses, "pose_size"
            (square root of the area over the height of the image) and "joint_confidence" over
            poses, each of which counts as much as its refined score.
        curve: estimated precision and recall; None where the weights cannot tell.
        threshold: refined score from which to keep poses here; None where it is not known.
        min_precision: estimated precision that the threshold has; None: it has the best F1.
        note: why there is no curve or threshold, or what is to be kept in mind; "" for nothing.
        statistics: means of frame statistics over blocks of frames, for the drift alarm.
    """

    source: str
    setup: Setup
    frames: int
    poses: int
    frame_rate: float | None
    reference: ScoreReference | None
    distributions: Mapping[str, tuple[float, ...]]
    curve: Curve | None
    threshold: float | None
    min_precision: float | None
    note: str
    statistics: Reference

    def check(self, setup: Setup) -> None:
        """Check that a run has the setup of this profile.

        Raises:
            WeightsError: its scores would not be those of the profile.
        """
        names = {"estimator": "model", "imgsz": "imgsz", "skeleton": "model"}
        for name, option in names.items():
            before, now = getattr(self.setup, name), getattr(setup, name)
            if before != now:
                raise WeightsError(
                    f"the profile was made with the {name} {before}, and this run has {now}: "
                    f"scores differ; give the same --{option}, or make a profile again with "
                    "`rcnet-rt profile`"
                )
        if self.setup.fingerprint != setup.fingerprint:
            raise WeightsError(
                f"the profile was made with weights {self.setup.weights!r} "
                f"({self.setup.fingerprint or 'none'}), and this run has {setup.weights!r} "
                f"({setup.fingerprint or 'none'}): scores differ; give the same --weights, or make "
                "a profile again with `rcnet-rt profile`"
            )

    def required_threshold(self) -> float:
        """Return the threshold.

        Raises:
            WeightsError: there is none.
        """
        if self.threshold is None:
            raise WeightsError(
                f"the profile has no threshold: {self.note or 'none was found'}; give --conf auto "
                "or a number"
            )
        return self.threshold

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        write_json(path, _written(self))

    @classmethod
    def load(cls, path: Path) -> CameraProfile:
        """Read what `save` wrote.

        Raises:
            DatasetError: it is missing, damaged, of a newer format, or no profile.
        """
        record = read_json(path)
        version = record.get("camera_profile") if isinstance(record, dict) else None
        if version is None:
            raise DatasetError(
                f"{path} is no camera profile; `rcnet-rt profile SOURCE --out {path.name}` makes "
                "one"
            )
        if version != FORMAT:
            raise DatasetError(
                f"{path} has format {version}, this rcnet-rt reads {FORMAT}: update rcnet-rt"
            )
        try:
            return _read(record)
        except (KeyError, TypeError, ValueError, AttributeError, PosesError) as error:
            raise DatasetError(
                f"{path} is damaged ({error!r:.200}); make the profile again"
            ) from error


def quantiles(values: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> tuple[float, ...]:
    """Return the quantiles of (N,) values at `LEVELS`, weighted where weights are given.

    NaN where there is none; values that are NaN, or of weight 0, do not count.

    >>> quantiles([3.0, 1.0, 2.0])[::10]
    (1.0, 2.0, 3.0)
    """
    value = np.asarray(values, np.float64)
    weight = np.ones_like(value) if weights is None else np.asarray(weights, np.float64)
    known = ~np.isnan(value) & (weight > 0)
    value, weight = value[known], weight[known]
    if not len(value):
        return (math.nan,) * len(LEVELS)
    order = np.argsort(value, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    places = np.minimum(np.searchsorted(share, LEVELS), len(value) - 1)
    return tuple(value[order][places].tolist())


def _written(profile: CameraProfile) -> dict[str, Any]:
    reference, statistics, setup = profile.reference, profile.statistics, profile.setup
    return {
        "camera_profile": FORMAT,
        "rcnet_rt": __version__,
        "source": profile.source,
        "estimator": setup.estimator,
        "imgsz": setup.imgsz,
        "skeleton": setup.skeleton,
        "weights": {"name": setup.weights, "fingerprint": setup.fingerprint},
        "frames": profile.frames,
        "poses": profile.poses,
        "threshold": profile.threshold,
        "min_precision": profile.min_precision,
        "note": profile.note,
        "estimates": None if profile.curve is None else _written_curve(profile.curve),
        "distributions": {
            "levels": LEVELS,
            **{name: _numbers(values) for name, values in profile.distributions.items()},
        },
        "score_reference": None
        if reference is None
        else {
            "scores": reference.scores.tolist(),
            "expected_ranks": reference.expected_ranks.tolist(),
            "joint_correlation": reference.joint_correlation,
        },
        "statistics": {
            "names": list(statistics.names),
            "blocks": [_numbers(block) for block in statistics.blocks],
            "frame_rate": profile.frame_rate,
            "frames_per_block": statistics.frames_per_block,
        },
    }


def _written_curve(curve: Curve) -> dict[str, Any]:
    figures = {name: getattr(curve, name) for name in FIGURES}
    return {
        "confidence": CONFIDENCE,
        "people_per_frame": round(curve.people, DIGITS),
        "thresholds": _numbers(curve.thresholds),
        "kept_per_frame": _numbers(curve.kept),
        **{
            name: [_numbers(part) for part in (figure.value, figure.low, figure.high)]
            for name, figure in figures.items()
        },
    }


def _read(record: dict[str, Any]) -> CameraProfile:
    statistics, weights = record["statistics"], record["weights"]
    reference, estimates = record["score_reference"], record["estimates"]
    imgsz = record["imgsz"]
    names = [str(name) for name in statistics["names"]]
    threshold, frames_per_block = _number(record["threshold"]), int(statistics["frames_per_block"])
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"a threshold is in [0, 1], got {threshold}")
    if frames_per_block < 1:
        raise ValueError(f"a block has 1 frame or more, got {frames_per_block}")
    return CameraProfile(
        source=str(record["source"]),
        setup=Setup(
            estimator=str(record["estimator"]),
            imgsz=None if imgsz is None else (int(imgsz[0]), int(imgsz[1])),
            skeleton=str(record["skeleton"]),
            weights=str(weights["name"]),
            fingerprint=str(weights["fingerprint"]),
        ),
        frames=int(record["frames"]),
        poses=int(record["poses"]),
        frame_rate=_number(statistics["frame_rate"]),
        reference=None if reference is None else ScoreReference(**reference),
        distributions={
            name: tuple(_array(values, len(LEVELS)).tolist())
            for name, values in record["distributions"].items()
            if name != "levels"
        },
        curve=None if estimates is None else _read_curve(estimates),
        threshold=threshold,
        min_precision=_number(record["min_precision"]),
        note=str(record["note"]),
        statistics=Reference(
            blocks=np.array([_array(b, len(names)) for b in statistics["blocks"]], np.float64)
            .reshape(-1, len(names)),
            frames_per_block=frames_per_block,
            names=names,
        ),
    )  # fmt: skip


def _read_curve(record: dict[str, Any]) -> Curve:
    count = len(record["thresholds"])
    figures = {name: Figure(*(_array(part, count) for part in record[name])) for name in FIGURES}
    return Curve(
        thresholds=_array(record["thresholds"], count),
        kept=_array(record["kept_per_frame"], count),
        people=float(record["people_per_frame"]),
        **figures,
    )


def _numbers(values: Any) -> list[float | None]:
    """Return numbers as JSON has them: null for what does not exist."""
    return [None if math.isnan(value) else round(float(value), DIGITS) for value in values]


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _array(values: list[float | None], count: int) -> npt.NDArray[np.float64]:
    array = np.array([math.nan if value is None else value for value in values], np.float64)
    if array.shape != (count,):
        raise ValueError(f"expected {count} numbers, got {array.shape}")
    return array
