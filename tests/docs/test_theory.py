"""Every number of docs/concepts/theory.md is what its code prints."""

import doctest
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "theory.md"


def test_every_number_of_the_page_is_computed():
    blocks = re.findall(r"```pycon\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    page = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, None, 0)
    outcome = doctest.DocTestRunner(verbose=False).run(page)
    assert outcome.failed == 0
    assert outcome.attempted > 40
