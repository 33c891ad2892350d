"""`rcnet-rt adapt` as a user runs it."""

from pathlib import Path

import pytest

from rcnet_rt import estimators, load_weights
from rcnet_rt.cli import _run
from tests.helpers.red_boxes import RedBoxes, write_images_of_boxes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(estimators, "load", lambda *_, **__: RedBoxes())
    return write_images_of_boxes(tmp_path / "images", 55)


def test_images_in_weights_and_card_out(folder, tmp_path, capsys):
    out = tmp_path / "mine.safetensors"
    command = ["adapt", str(folder), "--model", "boxes", "--out", str(out)]
    assert _run([*command, "--augmentations", "2", "--max-images", "50"]) == 0
    captured = capsys.readouterr()
    assert "with fewer than 400 images" in captured.err
    shown = captured.out
    assert "250 poses of 50 images, without labels" in shown
    assert str(out) in shown
    assert load_weights(str(out)).threshold("auto") > 0
    assert (tmp_path / "mine.md").is_file()


def test_too_few_images_are_a_sentence(folder, tmp_path, capsys):
    out = tmp_path / "mine.safetensors"
    assert _run(["adapt", str(folder / "0.png"), "--model", "boxes", "--out", str(out)]) == 1
    assert "needs at least 50 images" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give SOURCES"),
        (["a.jpg", "--predictions", "p.json", "--augmented", "a.json"], "not both"),
        (["--predictions", "p.json", "--coco", "coco"], "belong together"),
        (["--predictions", "p.json", "--augmented", "a.json"], "belong together"),
        (["a.jpg", "--coco", "coco"], "give SOURCES alone"),
        (
            ["--predictions", "p", "--augmented", "a", "--coco", "c", "--max-images", "9"],
            "--max-images: not an option of --predictions",
        ),
    ],
)
def test_what_does_not_belong_together_is_wrong_usage(options, message, capsys):
    assert _run(["adapt", "--out", "mine.safetensors", *options]) == 2
    assert message in capsys.readouterr().err
