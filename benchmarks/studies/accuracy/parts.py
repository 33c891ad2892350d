"""Which rows each part of the study has."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from benchmarks.studies.accuracy import dekr, feature_groups, generic, scorers
from benchmarks.studies.accuracy.protocol import ESTIMATORS
from rcnet_rt.rescoring import baselines
from rcnet_rt.training.config import PRESETS, Recipe

__all__ = ["BASELINE", "PARTS", "RAW", "Part", "Row", "Subject", "references"]

RAW, BASELINE, LINEAR, DEFAULT = "raw score", "baseline", "linear residual", "default recipe"

# What mmpose's CocoMetric calls them (`score_mode`); its fourth, keypoint, is `scorers.mean_score`.
MMPOSE = {
    "score": "bbox",
    "score_times_confidence": "bbox_keypoint",
    "score_plus_confidence": "bbox_rle",
}
# Of 442 and 171 training images.
SUBSETS = {"lightweight-openpose": (50, 100, 200, 400), "yolo-pose": (50, 100)}


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: as printed.
        how: "fixed" scores need no training; "folds" are held out by image; "left out" are trained
            on other estimators.
        scorer: a function of that kind; None where an optional package is not installed.
    """

    name: str
    how: Literal["fixed", "folds", "left out"]
    scorer: Callable[..., Any] | None


@dataclass(frozen=True)
class Subject:
    """What a table is of.

    Attributes:
        estimator: its name.
        quick: whether a few epochs are enough.
        augmented: its results on augmented images.
    """

    estimator: str
    quick: bool = False
    augmented: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Part:
    """A table, one an estimator.

    Attributes:
        title: as printed.
        rows: makes them.
        over: rows that the others are compared with.
    """

    title: str
    rows: Callable[[Subject], list[Row]]
    over: tuple[str, ...] = (RAW, BASELINE)


def _recipe(quick: bool, **changes: Any) -> Recipe:
    recipe = replace(PRESETS["residual"], **changes)
    return replace(recipe, epochs=3, average=0.9) if quick else recipe


def _fold(name: str, scorer: Callable[..., Any], **options: Any) -> Row:
    return Row(name, "folds", partial(scorer, **options))


def references(subject: Subject) -> list[Row]:
    """Return the raw score and the baseline, which need no training."""
    baseline = ESTIMATORS[subject.estimator].baseline
    return [
        Row(RAW, "fixed", partial(scorers.baseline, name="unbounded_score")),
        Row(BASELINE, "fixed", partial(scorers.baseline, name=baseline)),
    ]


def _baseline_rows() -> list[Row]:
    named = {
        f"{baseline.summary}" + (f" (mmpose: {MMPOSE[name]})" if name in MMPOSE else ""): name
        for name, baseline in baselines.BASELINES.items()
        if baseline.automatic and name != "unbounded_score"  # the raw order
    }
    return [
        *(Row(title, "fixed", partial(scorers.baseline, name=n)) for title, n in named.items()),
        Row("mean of all joint scores (mmpose: keypoint)", "fixed", scorers.mean_score),
        Row(
            "score × (joints found - 1) × size^0.3, gains from missing ignore regions",
            "fixed",
            partial(scorers.baseline_and_size, name="score_times_joints"),
        ),
    ]


def tables(subject: Subject) -> list[Row]:
    """Return all methods side by side."""
    recipe = _recipe(subject.quick)
    paper = replace(PRESETS["paper"], epochs=2) if subject.quick else PRESETS["paper"]
    boosting = _fold("gradient boosting (LightGBM)", scorers.boosting, recipe=recipe)
    if importlib.util.find_spec("lightgbm") is None:
        boosting = Row(f"{boosting.name}: not installed", "folds", None)
    return [
        *references(subject),
        *_baseline_rows(),
        _fold("DEKR's ScoreNet × score", dekr.dekr, recipe=recipe),
        _fold("DEKR's ScoreNet × score, matched target", dekr.dekr, recipe=recipe, matched=True),
        _fold(LINEAR, scorers.ours, recipe=_linear(subject.quick)),
        _fold("MLP residual", scorers.ours, recipe=_mlp(subject.quick)),
        boosting,
        _fold("RCNet, paper", scorers.ours, recipe=paper),
        _fold("RCNet residual (default recipe)", scorers.ours, recipe=recipe),
        *_augmented_rows(subject),
        Row("oracle", "fixed", scorers.oracle),
    ]


def _augmented_rows(subject: Subject) -> list[Row]:
    """Return what learns from augmentations too; so many poses need fewer epochs."""
    methods = {
        "MLP residual, augmentations": _recipe(subject.quick, architecture="mlp"),
        "RCNet residual, augmentations": _recipe(subject.quick),
    }
    return [
        _fold(
            name,
            scorers.with_augmentations,
            recipe=replace(recipe, epochs=5),
            files=subject.augmented,
        )
        for name, recipe in methods.items()
        if subject.augmented
    ]


def _linear(quick: bool, **changes: Any) -> Recipe:
    return _recipe(quick, architecture="linear", **changes)


def _mlp(quick: bool, **changes: Any) -> Recipe:
    return _recipe(quick, architecture="mlp", hidden=64, epochs=30, **changes)


def groups(subject: Subject) -> list[Row]:
    """Return the default recipe without each group of features, and with each alone."""
    recipe = _recipe(subject.quick)
    present = feature_groups.present(recipe.features)
    without = partial(_fold, scorer=scorers.masked, recipe=recipe)
    return [
        *references(subject),
        _fold(DEFAULT, scorers.ours, recipe=recipe),
        *(without(f"without {g}", seen=partial(feature_groups.is_not, group=g)) for g in present),
        without("score alone", seen=partial(feature_groups.is_score_or, group="score")),
        *(
            without(f"score and {g}", seen=partial(feature_groups.is_score_or, group=g))
            for g in present
            if g != "score"
        ),
    ]


def choices(subject: Subject) -> list[Row]:
    """Return the default recipe with one choice changed; its own choice is left out."""
    own = ESTIMATORS[subject.estimator].baseline
    default = _recipe(subject.quick)
    changed = {
        "MLP in place of attention": _mlp(subject.quick),
        "linear in place of attention": _linear(subject.quick),
        "plain output": _recipe(subject.quick, output="plain"),
        "paper's features": _recipe(subject.quick, features="paper"),
        "baseline: that of the table": _recipe(subject.quick, baseline=own),
        "baseline: the raw score": _recipe(
            subject.quick,
            baseline="score" if subject.estimator == "yolo-pose" else "unbounded_score",
        ),
        "target: OKS": _recipe(subject.quick, target="oks"),
        "target: share of thresholds": _recipe(subject.quick, target="share"),
        **{
            f"unmatched poses weigh {w:g} where unsure": _recipe(subject.quick, unmatched_weight=w)
            for w in (0.0, 0.3, 1.0)
        },
        "no shortcut": _recipe(subject.quick, shortcut=False),
        "no mirroring": _recipe(subject.quick, flip=False),
    }
    return [
        *references(subject),
        _fold(DEFAULT, scorers.ours, recipe=default),
        *(
            _fold(name, scorers.ours, recipe=recipe)
            for name, recipe in changed.items()
            if recipe != default
        ),
    ]


def curve(subject: Subject) -> list[Row]:
    """Return the default and a linear recipe, trained on increasing numbers of images."""
    methods = {"RCNet residual": _recipe(subject.quick), "linear residual": _linear(subject.quick)}
    rows = references(subject)
    for method, recipe in methods.items():
        learn = partial(scorers.ours, recipe=recipe)
        for count in SUBSETS[subject.estimator]:
            some = partial(scorers.limited, scorer=learn, images=count)
            rows.append(Row(f"{method}, {count} images", "folds", some))
        rows.append(Row(f"{method}, all training images", "folds", learn))
    return rows


def left_out(subject: Subject) -> list[Row]:
    """Return scorers that were trained on the other estimators alone."""
    kinds = {"linear residual": _linear(subject.quick), "RCNet residual": _recipe(subject.quick)}
    return [
        *references(subject),
        Row("universal baseline", "fixed", generic.universal_baseline),
        *(
            Row(
                f"{kind} on the quantile of the {'universal baseline' if universal else 'score'}",
                "left out",
                partial(generic.relative, recipe=recipe, universal=universal),
            )
            for kind, recipe in kinds.items()
            for universal in (False, True)
        ),
    ]


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "tables": Part("Side by side", tables, (RAW, BASELINE, LINEAR)),
        "groups": Part("What each group of features gains", groups, (BASELINE, DEFAULT)),
        "choices": Part("What each choice of the recipe gains", choices, (BASELINE, DEFAULT)),
        "curve": Part("Learning curve", curve),
        "generic": Part("Estimator left out of training", left_out),
    }
)
