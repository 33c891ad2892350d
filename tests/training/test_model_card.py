"""The model card says what the metadata holds, and a dash where a figure is undefined."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.model_card import card, record
from tests.helpers.networks import random_weights
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

SHIPPED = Path(__file__).resolve().parents[2] / "weights"


@pytest.mark.parametrize("name", sorted(weights_io.available().keys() - {"generic"}))
def test_shipped_cards_are_generated(name: str) -> None:
    weights = weights_io.load(SHIPPED / f"{name}.safetensors")
    assert (SHIPPED / f"{name}.md").read_text(encoding="utf-8") == card(weights)


def trained(folder: Path, images: set[int]) -> Weights:
    content = make_content()
    truth = load_ground_truth(write_dataset(folder, content)).subset(images)
    entries = make_results(content)
    scores = np.array([entry["score"] for entry in entries])
    evaluation = compare(truth, entries, scores, scores**2, {"score": scores}, resamples=5)
    training = record(
        Recipe(),
        evaluation,
        data=["results.json"],
        held_out="some",
        images=sorted(images),
        calibration_errors={"raw": 0.25, "refined": float("nan"), "calibrated": 0.125},
    )
    return replace(random_weights("attention", "paper"), training=training)


def test_undefined_figures_are_null_and_dashes(tmp_path: Path) -> None:
    weights = trained(tmp_path, {1})  # nobody is annotated there
    json.dumps(weights.training, allow_nan=False)
    text = card(weights)
    assert "| all, 1 with 0 people | – | – | – | – [–, –] | – | – → – |" in text
    assert "raw 0.250, refined –, calibrated 0.125" in text
    assert "nan" not in text


def test_figures_are_in_points(tmp_path: Path) -> None:
    weights = trained(tmp_path, {2, 3, 4, 6, 7})
    ap = weights.training["figures"]["all"]["scores"]["before"]["AP"]
    assert f"| {100 * ap:.2f} |" in card(weights)


@pytest.mark.parametrize(
    ("architecture", "loss", "said"),
    [
        ("attention", "rank", ("RCNet, attention", "`rank`, the paper's rank loss")),
        ("mlp", "bce", ("without attention", "`bce`, not the paper's")),
    ],
)
def test_a_card_says_whether_attention_and_the_rank_loss_are_used(
    tmp_path: Path, architecture: str, loss: str, said: tuple[str, str]
) -> None:
    weights = trained(tmp_path, {2, 3})
    training = weights.training | {"recipe": weights.training["recipe"] | {"loss": loss}}
    network = random_weights(architecture, "paper")
    text = card(replace(network, training=training))
    assert all(words in text for words in said)


def test_a_card_says_what_is_learned_in_the_place_of_the_oks(tmp_path: Path) -> None:
    weights = trained(tmp_path, {2, 3})
    assert "target" not in card(weights)
    training = weights.training | {"recipe": weights.training["recipe"] | {"target": "share"}}
    assert "target: the share of COCO's OKS thresholds" in card(replace(weights, training=training))


@pytest.mark.parametrize(
    ("threshold", "needed", "said"),
    [
        (0.75, None, "precision ≥ 0.95 at OKS 0.5 with probability 0.95, on images like these 500"),
        (
            None,
            2000,
            "none: 500 images cannot assure precision ≥ 0.95 with probability 0.95: about",
        ),
    ],
)
def test_a_card_has_the_guaranteed_threshold_or_why_there_is_none(
    tmp_path: Path, threshold: float | None, needed: int | None, said: str
) -> None:
    weights = trained(tmp_path, {2, 3})
    assert "guaranteed" not in card(weights)
    known = {"precision": 0.95, "at_oks": 0.5, "assurance": 0.95, "images": 500}
    training = {**weights.training, "guarantee": known | {"images_needed": needed}}
    thresholds = {} if threshold is None else {"guaranteed": threshold}
    text = card(replace(weights, training=training, thresholds=thresholds))
    assert f"| guaranteed threshold | {said}" in text
