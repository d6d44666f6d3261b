"""The dashboard has a sentence for every reason why no position may be opened."""

import re

from app.dashboard.pages import STATIC
from app.domains.positions.errors import REFUSALS


def test_the_page_explains_every_code_of_blocked_by() -> None:
    text = (STATIC / "kit" / "reasons.js").read_text()
    dictionary = text[text.index("const REASONS") : text.index("\n};")]
    assert set(re.findall(r"^  (\w+): \{", dictionary, re.MULTILINE)) == set(REFUSALS)
