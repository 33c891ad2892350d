"""The documentation names what exists; `make docs` itself checks links and builds the pages."""

import re
from pathlib import Path

import pytest

import rcnet_rt

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_every_page_of_the_navigation_is_there_and_no_other():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"^ +- [^:\n]+: (\S+\.md)$", text, re.MULTILINE))
    assert named == {str(page.relative_to(DOCS).as_posix()) for page in DOCS.rglob("*.md")}


def test_pages_from_the_root_are_there():
    for page in DOCS.rglob("*.md"):
        for name in re.findall(r'^--8<-- "(.+)"$', page.read_text("utf-8"), re.MULTILINE):
            assert (ROOT / name).is_file(), f"{page.name}: {name}"


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    named = {name for name in rcnet_rt.__all__ if f"::: rcnet_rt.{name}\n" in text}
    errors = {name for name in rcnet_rt.__all__ if name.endswith(("Error", "Warning"))}  # errors
    assert named | errors == set(rcnet_rt.__all__) - {"__version__"}


PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]
PARTS = "rcnet_rt|weights|benchmarks|examples|tests|tools|docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(rf"`((?:{PARTS})/[\w/.*-]*)`", text):
        assert list(ROOT.glob(name.rstrip("/"))), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_a_page_links_are_there(page):
    for name in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / name).is_file(), name


def test_files_that_contributing_names_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:rcnet_rt|tests|tools|docs|benchmarks|weights)/[\w/.*]*)`", text)
    assert len(named) > 20
    for name in named:
        assert list(ROOT.glob(name.rstrip("/"))), name


def test_doctests_are_fenced():
    pytest.importorskip("mkdocs", reason="pip install 'rcnet-rt[docs]'")
    from tools.docs_pages import fenced

    text = "One.\n\n>>> 1 + 1\n2\n\nTwo."
    assert fenced(text) == "One.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nTwo."


def test_the_list_of_sub_packages_is_complete():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "rcnet_rt").glob("*/__init__.py")}
    assert packages - set(re.findall(r"`rcnet_rt/(\w+)/`", text)) == set()
