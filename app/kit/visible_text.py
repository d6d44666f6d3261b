"""Which text people can be shown: nothing in it hides, misleads, or passes for something else.

Refused are control, format and unassigned characters, and the code points that Unicode calls
default-ignorable: zero-width ones, marks of direction, variation selectors, tags, fillers. Two
names that differ in these alone look the same.

A few are needed to write: joiners in scripts that shape their letters with them, and in emoji. They
are taken where they do that, and nowhere else.
"""

import re
from unicodedata import normalize

# Those default-ignorable characters that Python calls printable.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

VIRAMAS = (
    "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0e3a\u0eba\u0f84"
    "\u1039\u103a\u1714\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3"
)
"""The signs that join the consonants of the scripts of India and South-East Asia."""

_ARABIC = "\u0620-\u064a\u066e-\u06d5\u06fa-\u06ff\u0710-\u077f\u08a0-\u08c9"
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf"
    "\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_USEFUL = re.compile(
    f"(?=[\u200c\u200d\ufe0f{_SPACES}])(?:"
    f"[{_SPACES}]"
    f"|(?<=[{VIRAMAS}])[\u200c\u200d]|[\u200c\u200d](?=[{VIRAMAS}])"
    f"|(?<=[{_ARABIC}])\u200c(?=[{_ARABIC}])"
    f"|(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])"
    f"|(?<=[{_EMOJI}])\ufe0f|(?<=[0-9#*])\ufe0f(?=\u20e3))"
)
_BLANK = re.compile(f"[\\s{_SPACES}\u2800\u0300-\u036f\u20d0-\u20ff\ufe20-\ufe2f]*")


def is_visible(text: str) -> bool:
    """Return whether every character can be seen, or shapes or parts those that can."""
    if text.isascii():
        return text.isprintable()
    if text.isprintable() and not _IGNORABLE.search(text):
        return True
    bare = _USEFUL.sub("", text)
    return bare.isprintable() and not _IGNORABLE.search(bare)


def is_blank(text: str) -> bool:
    """Return whether the text shows nothing: spaces, the empty Braille pattern, marks alone."""
    if text.isascii():
        return not text or text.isspace()
    return _BLANK.fullmatch(text) is not None


def composed(text: str) -> str:
    """Return the text in the form in which texts that look the same are the same (NFC)."""
    return normalize("NFC", text)
