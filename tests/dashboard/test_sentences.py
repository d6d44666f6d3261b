"""What the dashboard has a sentence for, and what its sources keep from being translated."""

import re

from app.dashboard.pages import STATIC
from app.domains.events.types import EventType
from app.domains.positions.errors import REFUSALS
from app.domains.webhooks.sender import SendError


def test_the_page_explains_every_code_of_blocked_by() -> None:
    text = (STATIC / "kit" / "reasons.js").read_text()
    dictionary = text[text.index("const REASONS") : text.index("\n};")]
    assert set(re.findall(r"^  (\w+): \{", dictionary, re.MULTILINE)) == set(REFUSALS)


def test_the_page_has_a_title_and_a_sentence_for_every_type_of_event() -> None:
    titles = (STATIC / "kit" / "event_types.js").read_text()
    titles = titles[: titles.index("};")]
    sentences = (STATIC / "parts" / "event_sentence.js").read_text()
    types = {str(one) for one in EventType}
    assert set(re.findall(r'^  "([\w.]+)": "', titles, re.MULTILINE)) == types
    assert set(re.findall(r'^  "([\w.]+)": \(', sentences, re.MULTILINE)) == types


def test_the_page_has_a_sentence_for_every_error_of_a_delivery() -> None:
    text = (STATIC / "views" / "webhooks" / "words.js").read_text()
    text = text[text.index("const ERRORS") :]
    words = set(re.findall(r"^  (\w+): \"", text[: text.index("};")], re.MULTILINE))
    assert words == {str(error) for error in SendError}


def test_nothing_is_kept_from_translation_by_a_text_that_is_true() -> None:
    """The property takes a boolean: `translate="no"` in a template means yes."""
    sources = (path for path in STATIC.rglob("*.js") if "vendor" not in path.parts)
    assert [
        path.name for path in sources if re.search(r"translate[=:] ?\"", path.read_text())
    ] == []
