"""Which rows each part of the study has."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from benchmarks.accuracy import generic, scorers
from benchmarks.accuracy.protocol import ESTIMATORS
from rcnet_rt import features, formulas, skeletons
from rcnet_rt.recipes import PRESETS, Recipe

__all__ = ["FORMULA", "PARTS", "RAW", "Part", "Row"]

RAW, FORMULA, LINEAR, DEFAULT = "raw score", "formula", "linear residual", "default recipe"

# What mmpose's CocoMetric calls them (`score_mode`); its fourth, keypoint, is `scorers.mean_score`.
MMPOSE = {
    "score": "bbox",
    "score_times_confidence": "bbox_keypoint",
    "score_plus_confidence": "bbox_rle",
}
# Of 442 and 171 training images.
SUBSETS = {"lightweight-openpose": (50, 100, 200, 400), "yolo-pose": (50, 100)}

# The first group whose test holds takes a feature; `other` takes what a later version adds.
GROUPS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "score": lambda name: name in ("base", "initial score"),
        "links": lambda name: name.startswith(("dx ", "dy ", "length ")),
        "joint scores": lambda name: name.startswith("score "),
        "confidence statistics": lambda name: "confiden" in name,
        "set": lambda name: any(w in name for w in ("overlap", "rank", "company", "gap")),
        "size": lambda name: "size" in name,
        "aspect": lambda name: any(w in name for w in ("aspect", "unit", "torso")),
        "place": lambda name: any(w in name for w in ("centre", "border")),
        "counts": lambda name: any(w in name for w in ("joints", "visible", "found")),
        "other": lambda name: True,
    }
)


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
class Part:
    """A table, one an estimator.

    Attributes:
        title: as printed.
        rows: (estimator, whether quick) -> rows.
        over: rows that the others are compared with.
    """

    title: str
    rows: Callable[[str, bool], list[Row]]
    over: tuple[str, ...] = (RAW, FORMULA)


def _recipe(quick: bool, **changes: Any) -> Recipe:
    recipe = replace(PRESETS["residual"], **changes)
    return replace(recipe, epochs=3, average=0.9) if quick else recipe


def _fold(name: str, scorer: Callable[..., Any], **options: Any) -> Row:
    return Row(name, "folds", partial(scorer, **options))


def _references(estimator: str) -> list[Row]:
    formula = ESTIMATORS[estimator].formula
    return [
        Row(RAW, "fixed", partial(scorers.formula, name="unbounded_score")),
        Row(FORMULA, "fixed", partial(scorers.formula, name=formula)),
    ]


def _formula_rows() -> list[Row]:
    named = {
        f"{formula.summary}" + (f" (mmpose: {MMPOSE[name]})" if name in MMPOSE else ""): name
        for name, formula in formulas.FORMULAS.items()
        if name != "unbounded_score"
    }
    return [
        *(Row(title, "fixed", partial(scorers.formula, name=n)) for title, n in named.items()),
        Row("mean of all joint scores (mmpose: keypoint)", "fixed", scorers.mean_score),
        Row(
            "score × (joints found - 1) × size^0.3, feeds on missing ignore regions",
            "fixed",
            partial(scorers.formula_and_size, name="score_times_joints"),
        ),
    ]


def tables(estimator: str, quick: bool) -> list[Row]:
    """Return everything side by side."""
    recipe = _recipe(quick)
    paper = replace(PRESETS["paper"], epochs=2) if quick else PRESETS["paper"]
    boosting = _fold("gradient boosting (LightGBM)", scorers.boosting, recipe=recipe)
    if importlib.util.find_spec("lightgbm") is None:
        boosting = Row(f"{boosting.name}: not installed", "folds", None)
    return [
        *_references(estimator),
        *_formula_rows(),
        _fold("DEKR's ScoreNet × score", scorers.dekr, recipe=recipe),
        _fold("DEKR's ScoreNet × score, matched target", scorers.dekr, recipe=recipe, matched=True),
        _fold(LINEAR, scorers.library, recipe=_linear(quick)),
        _fold("MLP residual", scorers.library, recipe=_mlp(quick)),
        boosting,
        _fold("RCNet, paper", scorers.library, recipe=paper),
        _fold("RCNet residual (default recipe)", scorers.library, recipe=recipe),
        Row("oracle", "fixed", scorers.oracle),
    ]


def _linear(quick: bool, **changes: Any) -> Recipe:
    return _recipe(quick, architecture="linear", **changes)


def _mlp(quick: bool, **changes: Any) -> Recipe:
    return _recipe(quick, architecture="mlp", hidden=64, epochs=30, **changes)


def _group(name: str) -> str:
    return next(group for group, has in GROUPS.items() if has(name))


def _without(name: str, group: str) -> bool:
    return _group(name) != group


def _only(name: str, group: str) -> bool:
    return _group(name) in ("score", group)


def groups(estimator: str, quick: bool) -> list[Row]:
    """Return the default recipe without each group of features, and with each alone."""
    recipe = _recipe(quick)
    names = features.get(recipe.features).names(skeletons.get("coco17"))
    present = [group for group in GROUPS if group in {_group(name) for name in names}]
    without = partial(_fold, scorer=scorers.masked, recipe=recipe)
    return [
        *_references(estimator),
        _fold(DEFAULT, scorers.library, recipe=recipe),
        *(without(f"without {g}", seen=partial(_without, group=g)) for g in present),
        without("score alone", seen=partial(_only, group="score")),
        *(without(f"score and {g}", seen=partial(_only, group=g)) for g in present if g != "score"),
    ]


def choices(estimator: str, quick: bool) -> list[Row]:
    """Return the default recipe with one choice changed; what is its own choice is left out."""
    own = ESTIMATORS[estimator].formula
    default = _recipe(quick)
    changed = {
        "MLP in place of attention": _mlp(quick),
        "linear in place of attention": _linear(quick),
        "plain output": _recipe(quick, output="plain"),
        "paper's features": _recipe(quick, features="paper"),
        "base: the formula of the table": _recipe(quick, base=own),
        "base: the raw score": _recipe(
            quick, base="score" if estimator == "yolo-pose" else "unbounded_score"
        ),
        "target: OKS": _recipe(quick, target="oks"),
        "target: share of thresholds": _recipe(quick, target="share"),
        **{
            f"unmatched poses weigh {w:g} where unsure": _recipe(quick, unsure=w)
            for w in (0.0, 0.3, 1.0)
        },
        "no shortcut": _recipe(quick, shortcut=False),
        "no mirrors": _recipe(quick, flip=False),
    }
    return [
        *_references(estimator),
        _fold(DEFAULT, scorers.library, recipe=default),
        *(
            _fold(name, scorers.library, recipe=recipe)
            for name, recipe in changed.items()
            if recipe != default
        ),
    ]


def curve(estimator: str, quick: bool) -> list[Row]:
    """Return the default recipe and a linear one, on more and more training images."""
    methods = {"RCNet residual": _recipe(quick), "linear residual": _linear(quick)}
    rows = _references(estimator)
    for method, recipe in methods.items():
        learn = partial(scorers.library, recipe=recipe)
        for count in SUBSETS[estimator]:
            some = partial(scorers.limited, scorer=learn, images=count)
            rows.append(Row(f"{method}, {count} images", "folds", some))
        rows.append(Row(f"{method}, all training images", "folds", learn))
    return rows


def left_out(estimator: str, quick: bool) -> list[Row]:
    """Return scorers that were trained on the other estimators alone."""
    kinds = {"linear residual": _linear(quick), "RCNet residual": _recipe(quick)}
    return [
        *_references(estimator),
        Row("universal formula", "fixed", generic.universal_formula),
        *(
            Row(
                f"{kind} on the quantile of the {'universal formula' if universal else 'score'}",
                "left out",
                partial(generic.relative, recipe=recipe, universal=universal),
            )
            for kind, recipe in kinds.items()
            for universal in (False, True)
        ),
    ]


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "tables": Part("Side by side", tables, (RAW, FORMULA, LINEAR)),
        "groups": Part("What each group of features brings", groups, (FORMULA, DEFAULT)),
        "choices": Part("What each choice of the recipe brings", choices, (FORMULA, DEFAULT)),
        "curve": Part("Learning curve", curve),
        "generic": Part("Estimator left out of training", left_out),
    }
)
