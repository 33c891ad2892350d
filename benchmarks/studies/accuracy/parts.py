"""Which rows each part of the study has, and for which estimators."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from benchmarks.studies.accuracy import score_nets, scorers
from benchmarks.studies.accuracy.protocol import ESTIMATORS, Estimator
from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring import baselines, features
from rcnet_rt.rescoring.feature_groups import FEATURE_GROUPS, group_of
from rcnet_rt.training.config import PRESETS, Recipe

__all__ = [
    "ATTENTION",
    "BASELINE",
    "BOOSTING",
    "LINEAR",
    "MLP",
    "NOT_INSTALLED",
    "ORACLE",
    "PAPER",
    "PARTS",
    "RAW",
    "Part",
    "Row",
    "Subject",
    "hand_made",
    "references",
]

RAW, BASELINE, ORACLE = "raw score", "baseline", "oracle"
LINEAR, MLP, BOOSTING = "linear", "MLP", "gradient boosting (LightGBM)"
ATTENTION, PAPER = "RCNet: attention, rank loss", "RCNet, the paper's recipe"
# What mmpose's CocoMetric calls them (`score_mode`); its fourth, keypoint, is `scorers.mean_score`.
MMPOSE = {
    "score": "bbox",
    "score_times_confidence": "bbox_keypoint",
    "score_plus_confidence": "bbox_rle",
}
NOT_INSTALLED = ": not installed"
LOSSES = ("rank", "bce", "mse", "l1", "ranknet", "lambdarank", "approx_ndcg")
SUBSETS = (100, 200, 400, 800)  # of 1,232 training images

# The recipes of the shipped weights: five folds of them were compared before this study, not here.
NETWORKS: Mapping[str, Recipe] = MappingProxyType(
    {
        "linear": Recipe(architecture="linear", epochs=15),
        "MLP": Recipe(architecture="mlp", epochs=15),
        "attention": Recipe(architecture="attention", epochs=20),
    }
)


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: as printed.
        how: "fixed" scores need no training; "folds" are held out by image.
        scorer: a function of that kind; None where it cannot run.
    """

    name: str
    how: Literal["fixed", "folds"]
    scorer: Callable[..., Any] | None


@dataclass(frozen=True)
class Subject:
    """What a table is of: an estimator, and whether a few epochs are enough."""

    estimator: Estimator
    quick: bool = False


@dataclass(frozen=True)
class Part:
    """A table, one an estimator.

    Attributes:
        title: as printed.
        rows: makes them.
        over: rows that the others are compared with.
        estimators: whom it is of.
    """

    title: str
    rows: Callable[[Subject], list[Row]]
    over: tuple[str, ...] = (RAW, MLP)
    estimators: tuple[Estimator, ...] = tuple(ESTIMATORS.values())


def references(subject: Subject) -> list[Row]:
    """Return the raw score and the baseline, which need no training."""
    return [
        Row(RAW, "fixed", partial(scorers.baseline, name="unbounded_score")),
        Row(BASELINE, "fixed", partial(scorers.baseline, name=subject.estimator.baseline)),
    ]


def _recipe(subject: Subject, recipe: Recipe | str, **changes: Any) -> Recipe:
    """Return one of `NETWORKS`, or another recipe, for an estimator."""
    if isinstance(recipe, str):
        recipe = replace(NETWORKS[recipe], baseline=subject.estimator.baseline)
    recipe = replace(recipe, **changes)
    return replace(recipe, epochs=2, average=0.0) if subject.quick else recipe


def _fold(name: str, scorer: Callable[..., Any], **options: Any) -> Row:
    return Row(name, "folds", partial(scorer, **options))


def _network(name: str, recipe: Recipe) -> Row:
    return _fold(name, scorers.ours, recipe=recipe)


def _baseline_rows() -> list[Row]:
    named = {
        f"{baseline.summary}" + (f" (mmpose: {MMPOSE[name]})" if name in MMPOSE else ""): name
        for name, baseline in baselines.BASELINES.items()
        if baseline.automatic and name != "unbounded_score"  # the raw order
    }
    return [
        *(Row(title, "fixed", partial(scorers.baseline, name=n)) for title, n in named.items()),
        Row("mean of all joint scores (mmpose: keypoint)", "fixed", scorers.mean_score),
        Row("RF-DETR's fusion: not applicable, no result holds covariances", "fixed", None),
    ]


def hand_made(subject: Subject) -> list[str]:
    """Return the names of the rows of scores that are not learned."""
    return [row.name for row in (*references(subject), *_baseline_rows()) if row.scorer is not None]


def _calibrations() -> list[Row]:
    return [
        Row("temperature, one for all images", "fixed", scorers.temperature_at_once),
        Row("temperature", "folds", scorers.temperature),
        Row("isotonic, one map for all images", "fixed", scorers.isotonic_at_once),
        Row("isotonic", "folds", scorers.isotonic),
    ]


def _boosting_row(name: str, scorer: Callable[..., Any]) -> Row:
    """Return a row of gradient boosting, which says so where LightGBM is not installed."""
    if importlib.util.find_spec("lightgbm") is None:
        return Row(f"{name}{NOT_INSTALLED}", "folds", None)
    return Row(name, "folds", scorer)


def methods(subject: Subject) -> list[Row]:
    """Return all methods side by side."""
    mlp = _recipe(subject, "MLP")
    paper = _recipe(subject, PRESETS["paper"])
    faster = _recipe(subject, PRESETS["paper"], learning_rate=1e-3)
    return [
        *references(subject),
        *_baseline_rows(),
        *_calibrations(),
        _network(LINEAR, _recipe(subject, "linear")),
        _network(MLP, mlp),
        _network(f"{MLP}, L1 loss", _recipe(subject, "MLP", loss="l1")),
        _network(ATTENTION, _recipe(subject, "attention")),
        _boosting_row(BOOSTING, partial(scorers.boosting, recipe=mlp)),
        _fold("deep ensemble of 5 MLPs", scorers.ensemble, recipe=mlp, members=5),
        _fold("DEKR's ScoreNet × score", score_nets.dekr, recipe=mlp),
        _fold("DEKR's ScoreNet × score, matched target", score_nets.dekr, recipe=mlp, matched=True),
        _fold("super-gradients' MLP × score", score_nets.super_gradients, recipe=mlp),
        _network(PAPER, paper),
        _network(f"{PAPER}, learning rate 0.001", faster),
        Row(ORACLE, "fixed", scorers.oracle),
    ]


def losses(subject: Subject) -> list[Row]:
    """Return every architecture with every loss."""
    return [
        *references(subject),
        *(
            _network(f"{name}, {loss}", _recipe(subject, name, loss=loss))
            for name in NETWORKS
            for loss in LOSSES
        ),
    ]


def groups(subject: Subject) -> list[Row]:
    """Return the MLP without each group of features, and with each alone beside the score."""
    names = features.get("full").names(skeletons.get("coco17"))
    present = [group for group in FEATURE_GROUPS if group in {group_of(name) for name in names}]
    others = [group for group in present if group != "score"]

    def without(title: str, *hidden: str) -> Row:
        return _network(title, _recipe(subject, "MLP", without=hidden))

    return [
        *references(subject),
        _network(MLP, _recipe(subject, "MLP")),
        *(without(f"without {group}", group) for group in present),
        without("score alone", *others),
        *(without(f"score and {g}", *(h for h in others if h != g)) for g in others),
        _network(ATTENTION, _recipe(subject, "attention")),
        _network(f"{ATTENTION}, without set", _recipe(subject, "attention", without=("set",))),
    ]


def choices(subject: Subject) -> list[Row]:
    """Return the MLP with one choice changed."""
    changed: dict[str, dict[str, Any]] = {
        "plain output": {"output": "plain"},
        "the paper's features": {"features": "paper"},
        "DEKR's features": {"features": "dekr"},
        "baseline: the raw score": {"baseline": "score"},
        "target: share of thresholds": {"target": "share"},
        "no mirroring": {"flip": False},
        "no moving average": {"average": 0.0},
        "no dropout": {"dropout": 0.0, "input_dropout": 0.0},
        "256 hidden units": {"hidden": 256},
        "5 epochs": {"epochs": 5},
        "30 epochs": {"epochs": 30},
        "no floor": {"floor": 0.0},
    }
    mlp = _recipe(subject, "MLP")
    rows = {name: _recipe(subject, "MLP", **change) for name, change in changed.items()}
    return [
        *references(subject),
        _network(MLP, mlp),
        *(_network(name, recipe) for name, recipe in rows.items() if recipe != mlp),
    ]


def curve(subject: Subject) -> list[Row]:
    """Return methods trained on increasing numbers of images."""
    mlp = _recipe(subject, "MLP")
    kinds = {
        LINEAR: partial(scorers.ours, recipe=_recipe(subject, "linear")),
        MLP: partial(scorers.ours, recipe=mlp),
        ATTENTION: partial(scorers.ours, recipe=_recipe(subject, "attention")),
        BOOSTING: partial(scorers.boosting, recipe=mlp),
    }
    rows = references(subject)
    for name, scorer in kinds.items():
        make = _boosting_row if name == BOOSTING else partial(Row, how="folds")
        for count in SUBSETS:
            some = partial(scorers.limited, scorer=scorer, images=count)
            rows.append(make(f"{name}, {count} images", scorer=some))
        rows.append(make(f"{name}, all training images", scorer=scorer))
    return rows


def crowdpose(subject: Subject) -> list[Row]:
    """Return what is trained on COCO's poses mapped to CrowdPose's 14 joints."""
    rows = methods(subject)
    chosen = (RAW, BASELINE, LINEAR, MLP, ATTENTION, PAPER, ORACLE)
    return [row for row in rows if row.name in chosen]


SEVERAL_SEEDS = tuple(estimator for estimator in ESTIMATORS.values() if estimator.seeds > 1)
PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "methods": Part("Side by side", methods),
        "losses": Part(
            "Architectures and losses", losses, (RAW, "MLP, rank"), estimators=SEVERAL_SEEDS
        ),
        "groups": Part("What each group of features gains", groups, estimators=SEVERAL_SEEDS),
        "choices": Part(
            "What each choice of the MLP's recipe gains", choices, estimators=SEVERAL_SEEDS
        ),
        "curve": Part("Learning curve", curve, (RAW,), estimators=(ESTIMATORS["yolov8n_640"],)),
        "crowdpose": Part(
            "COCO's poses on CrowdPose's 14 joints",
            crowdpose,
            estimators=tuple(replace(e, crowdpose=True, seeds=1) for e in SEVERAL_SEEDS),
        ),
    }
)
