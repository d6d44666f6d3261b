"""Check that no text of the repository uses a word that its readers would stumble over.

Comments, docstrings, strings, identifiers and Markdown are read. `python -m scripts.check_words`
prints each use with the plain words to choose from, and exits with 1 if there are any.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.check_references import ROOT, text_files

PLAIN_WORDS = {
    "told": "stated, given, reported, notified",
    "said": "stated, reported, requested",
    "reckon": "compute, recompute, count",
    "anew": "again",
    "whoever": "anyone who, the caller that",
    "kin": "related, similar",
    "mend": "fix, repair",
    "of those": "name the things",
    "none that there is": "no existing one",
}
"""Every word or phrase to avoid, and what to write instead."""

EXEMPT = (
    "migrations/versions",  # a landed migration never changes
    "scripts/check_words.py",  # names the words
    "tests/scripts/test_check_words.py",  # likewise
)

_ENDINGS = {"reckon": "s|ed|ing", "mend": "s|ed|ing"}
_GAP = r"[\s#\"']+"  # a phrase may continue in the next line of a comment or string


def _pattern(word: str) -> re.Pattern[str]:
    """Return what finds the word in prose and as a part of `snake_case` and `CamelCase` names."""
    text = _GAP.join(word.split()) + (f"(?:{_ENDINGS[word]})?" if word in _ENDINGS else "")
    capital = text[0].upper() + text[1:]
    return re.compile(
        rf"(?<![A-Za-z])(?:{text}|{text.upper()})(?![A-Za-z])"  # alone, or between underscores
        rf"|(?<![A-Z]){capital}(?![a-z])"  # the first word of a sentence or a step of CamelCase
    )


_PATTERNS = {word: _pattern(word) for word in PLAIN_WORDS}


def uses(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the word of every use in the text, in order."""
    found = [
        (match.start(), word)
        for word, pattern in _PATTERNS.items()
        for match in pattern.finditer(text)
    ]
    for start, word in sorted(found):
        yield text.count("\n", 0, start) + 1, word


def faults(root: Path, skipped: tuple[str, ...] = EXEMPT) -> Iterator[str]:
    """Yield `file:line: word (write: …)` for every use below the root."""
    for path in sorted(text_files(root)):
        place = path.relative_to(root)
        if any(place.is_relative_to(prefix) for prefix in skipped):
            continue
        for line, word in uses(path.read_text(encoding="utf-8")):
            yield f"{place}:{line}: {word} (write: {PLAIN_WORDS[word]})"


def main() -> int:
    found = list(faults(ROOT))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
