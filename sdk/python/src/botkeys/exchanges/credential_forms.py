"""The form of each credential as a regular expression: one source for refusals and for input forms.

`Form.value` is what a stored value must be, `Form.entered` what a person may enter for it. Both are
written in what Python's `re` and a browser's `RegExp` (flags u and v, so HTML's `pattern` too) read
alike: no `$` but in a lookahead before which line ends are consumed, no named groups.
"""

import re
from dataclasses import dataclass
from functools import cache

PASSPHRASE_EXCHANGES = frozenset({"okx", "kucoin"})
PRIVATE_KEY_EXCHANGES = frozenset({"binance", "bybit", "deribit"})
BASE64_EXCHANGES = frozenset({"kraken"})
GROUP_KEYS = {"gemini": "master-"}
"""Keys of a whole group of accounts, by how they begin: no bot trades with one."""

LONGEST = {"api_key": 256, "api_secret": 512, "api_passphrase": 128}
LONGEST_PEM = 4096  # an RSA key of 4096 bits has 3,300 characters

_SPACE = r"[\s\x1c-\x1f\x85\u200b-\u200d\u2060\ufeff]*"  # white space and what is invisible
_VISIBLE = r"[!-~]"
_NO_COLON = r"[!-9;-~]"
_BASE64 = r"[A-Za-z0-9+\/]"
_TYPOGRAPHIC = (
    (r"\u201c", r"\u201d"),
    (r"\u2018", r"\u2019"),
    (r"\u201e", r"\u201c"),
    (r"\xab", r"\xbb"),
)
_OPENING = r"""["'\x60\u201c\u2018\u201e\xab]?"""
# How PEM text and the base64 of a private key begin. What follows is read by the service.
_PRIVATE_KEY = (
    rf"{_SPACE}{_OPENING}{_SPACE}(?:-----BEGIN |M{_BASE64}{{59}})[\s\S]{{1,{LONGEST_PEM}}}"
)


@dataclass(frozen=True, slots=True)
class Form:
    """What a value may look like. The lengths are those of a value without surroundings."""

    value: str
    entered: str
    longest: int
    shortest: int = 1

    def allows(self, value: str) -> bool:
        return re.fullmatch(self.value, value) is not None


@cache
def form_of(exchange: str, field: str) -> Form:
    """Return the form of one of the exchange's credentials."""
    if field == "api_passphrase":
        value = _text(field)
        # Quotes may be part of a passphrase, so none are removed.
        return Form(value, f"{_SPACE}{value}{_SPACE}", LONGEST[field])
    if field == "api_key":
        prefix = GROUP_KEYS.get(exchange)
        value = _text(field) if prefix is None else f"(?!{prefix}){_text(field)}"
        return Form(value, _surrounded(value), LONGEST[field])
    if exchange in BASE64_EXCHANGES:
        return _base64_secret()
    if exchange in PASSPHRASE_EXCHANGES:
        return _secret_with_passphrase()
    value = _text(field)
    if exchange in PRIVATE_KEY_EXCHANGES:
        return Form(value, f"{_surrounded(value)}|{_PRIVATE_KEY}", LONGEST_PEM)
    return Form(value, _surrounded(value), LONGEST[field])


def _text(field: str) -> str:
    return f"{_VISIBLE}{{1,{LONGEST[field]}}}"


def _base64_secret() -> Form:
    longest = LONGEST["api_secret"]
    last = f"{_BASE64}{{4}}|{_BASE64}{{3}}=|{_BASE64}{{2}}=="
    value = f"(?:{_BASE64}{{4}}){{0,{longest // 4 - 1}}}(?:{last})"
    return Form(value, _surrounded(value), longest, shortest=4)


def _secret_with_passphrase() -> Form:
    """A colon in what is entered begins the passphrase: it is split before it is looked at."""
    secret, passphrase = LONGEST["api_secret"], LONGEST["api_passphrase"]
    entered = f"{_NO_COLON}{{1,{secret}}}(?:{_SPACE}:{_SPACE}{_VISIBLE}{{1,{passphrase}}})?"
    return Form(_text("api_secret"), _surrounded(entered), secret + 1 + passphrase)


def _surrounded(value: str) -> str:
    """Return the form of a value with white space, and one pair of quotes, around it."""
    inside = f"{_SPACE}{value}{_SPACE}"
    alternatives = [
        # Quotes around it are never part of it.
        rf"""(?!(["'\x60])[\s\S]*\1{_SPACE}$){value}""",
        rf"""(["'\x60]){inside}\2""",
        *(f"{opening}{inside}{closing}" for opening, closing in _TYPOGRAPHIC),
    ]
    return f"{_SPACE}(?:{'|'.join(alternatives)}){_SPACE}"
