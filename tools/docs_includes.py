"""Pages of the site that are other Markdown files of the repository, such as those of figures.

A page includes one by a line `--8<-- "path/from/the/root.md"`. These functions, events of MkDocs,
put the text in its place, with its links turned to the pages of the site; images that it shows are
added to the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown"]

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = re.compile(r'^--8<-- "(?P<path>.+\.md)"$', re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:|#)(?P<path>[^)#\s]+)")
IMAGES = (".png", ".svg")
FOLDER = "measured/images"  # of the site, for images of included files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the images of included files."""
    for source in _pages():
        for link in LINK.finditer((ROOT / source).read_text(encoding="utf-8")):
            path = _joined(source, link["path"])
            if path.endswith(IMAGES):
                place = _place(path)
                files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put included files in the place of the lines that name them."""
    folder = posixpath.dirname(page.file.src_uri)
    return INCLUDE.sub(lambda found: _included(found["path"], folder), markdown)


def _included(source: str, folder: str) -> str:
    """Return the text of a file, with links that hold in a folder of the site."""

    def turned(link: re.Match[str]) -> str:
        place = _place(_joined(source, link["path"]))
        return f"]({posixpath.relpath(place, folder or '.')}"

    return LINK.sub(turned, (ROOT / source).read_text(encoding="utf-8"))


def _joined(source: str, link: str) -> str:
    """Return the path from the root that a link in a file means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _place(path: str) -> str:
    """Return where a file of the repository is on the site, by its path from the docs folder."""
    if path.endswith(IMAGES) and not path.startswith("docs/"):
        return f"{FOLDER}/{path.replace('/', '_')}"
    return _pages().get(path, path.removeprefix("docs/"))


def _pages() -> dict[str, str]:
    """Return the pages that include a file, by the path of the file from the root."""
    return dict(_including_pages())


def _including_pages() -> Iterator[tuple[str, str]]:
    docs = ROOT / "docs"
    for page in sorted(docs.rglob("*.md")):
        for found in INCLUDE.finditer(page.read_text(encoding="utf-8")):
            yield found["path"], page.relative_to(docs).as_posix()
