"""The README is short, and its Python gives what it says; tests/docs/ runs its other blocks."""

from pathlib import Path

from tests.helpers.docs_workspace import namespace
from tests.helpers.markdown import blocks_of

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MAX_LINES = 150


def test_it_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_its_python_gives_a_score_for_each_pose():
    names = namespace()
    for block in blocks_of(README, ROOT):
        if block.language == "python":
            exec(block.text, names)
    assert names["new"].shape == names["scores"].shape
    assert ((names["new"] >= 0) & (names["new"] <= 1)).all()


def test_the_set_up_is_told():
    text = README.read_text(encoding="utf-8")
    assert all(f"make {target} " in text for target in ("demo", "test", "docs"))
