"""Credentials as people paste them: with something around them, without PEM lines, or swapped.

What surrounds a value is removed, and what was removed is stated. Nothing inside of it changes.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from botkeys.exchanges.model import Credentials
from botkeys.exchanges.pem import is_pem
from botkeys.sealing.secret import Secret


class Change(StrEnum):
    """What was done to a value: characters around it were removed, or PEM text was completed."""

    WHITE_SPACE = "white_space"
    QUOTES = "quotes"
    PEM_LINES = "pem_lines"
    LINE_ENDS = "line_ends"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change of one field. `str()` is a sentence for people."""

    field: str
    change: Change

    def __str__(self) -> str:
        return _SENTENCES[self.change].format(field=self.field)


_SENTENCES = {
    Change.WHITE_SPACE: "White space or line ends around {field} were removed.",
    Change.QUOTES: "Quotes around {field} were removed.",
    Change.PEM_LINES: "{field} is a private key, and got the PEM lines that it lacked.",
    Change.LINE_ENDS: "{field} is a private key, and got its line ends back.",
}

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
# Straight ones, and those that word processors and messengers make of them.
_QUOTES = frozenset(
    {'""', "''", "``", "\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u00ab\u00bb"}
)
_DER = "M"  # how the base64 of every private key begins
_KEY_LENGTHS = range(60, 8192)


def without_surroundings(field: str, text: str) -> tuple[str, tuple[Adjustment, ...]]:
    """Return a key or a secret without white space and quotes around it, and what was removed.

    White space around PEM text is part of its form and stays.
    """
    changes: list[Adjustment] = []
    while True:
        bare = _without_white_space(text)
        if len(bare) > 1 and bare[0] + bare[-1] in _QUOTES:
            changes.append(Adjustment(field, Change.QUOTES))
            text = bare[1:-1]
            continue
        if bare != text and not is_pem(bare):
            changes.append(Adjustment(field, Change.WHITE_SPACE))
            text = bare
        return text, tuple(dict.fromkeys(changes))


def passphrase_without_white_space(field: str, text: str) -> tuple[str, tuple[Adjustment, ...]]:
    """Return a passphrase without white space around it. Quotes may be part of it, and stay."""
    bare = _without_white_space(text)
    return bare, () if bare == text else (Adjustment(field, Change.WHITE_SPACE),)


def _without_white_space(text: str) -> str:
    while (bare := text.strip().strip(_INVISIBLE)) != text:
        text = bare
    return bare


def with_pem_lines(secret: str) -> str | None:
    """Return as PEM a private key that was pasted as the base64 between the PEM lines alone.

    `None` for anything else, PEM text included.
    """
    compact = "".join(secret.split())
    if not compact.startswith(_DER) or len(compact) not in _KEY_LENGTHS:
        return None
    try:
        key = load_der_private_key(base64.b64decode(compact, validate=True), password=None)
    except (binascii.Error, TypeError, ValueError, UnsupportedAlgorithm):
        return None
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


_WRITTEN_LINE_END = re.compile(r"(?:\\r)?\\n")
_PEM_BODY = re.compile(r"(?<=-----)([^-]+)(?=-----END )")


def with_line_ends(secret: str) -> str | None:
    """Return PEM text whose line ends are written as a backslash and n, as in a quoted setting, or
    became spaces, as in a field of one line, with its line ends. `None` for anything else.
    """
    if not is_pem(secret):
        return None
    text = _WRITTEN_LINE_END.sub("\n", secret)
    if "\n" not in text.strip():
        text = _PEM_BODY.sub(lambda body: "\n" + "\n".join(body[0].split()) + "\n", text)
    return None if text == secret else text


_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_FORMS: Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]] = {
    exchange: (re.compile(key, re.ASCII), re.compile(secret, re.ASCII))
    for exchange, (key, secret) in {
        "bitmex": (r"[\w-]{24}", r"[\w-]{48}"),
        "bybit": (r"[A-Za-z0-9]{18}", r"[A-Za-z0-9]{36}"),
        # A secret is 64 bytes in base64.
        "kraken": (r"[A-Za-z0-9+/]{40,64}={0,2}", r"[A-Za-z0-9+/]{86}=="),
        "okx": (_UUID, r"[0-9A-F]{32}"),
        "kucoin": (r"[0-9a-f]{24}", _UUID),
        "deribit": (r"[\w-]{8,16}", r"[\w-]{40,48}"),
        "gemini": (r"(account|master)-\w+", r"\w{20,40}"),
        "phemex": (_UUID, r"[\w-]{60,120}"),
        "woox": (r"[A-Za-z0-9+/]{22}==", r"[0-9A-Z]{28}"),
    }.items()
}
"""The forms of key and secret, where the two can be kept apart. Binance's are alike."""


def swapped(exchange: str, credentials: Credentials) -> bool:
    """Return whether the API key has the form of this exchange's secrets and the secret that of
    its keys, or whether the API key is a private key.
    """
    key, secret = credentials.api_key.reveal(), credentials.api_secret.reveal()
    if is_pem(key) or with_pem_lines(key) is not None:
        return True
    forms = _FORMS.get(exchange)
    if forms is None:
        return False
    of_keys, of_secrets = forms
    return of_secrets.fullmatch(key) is not None and of_keys.fullmatch(secret) is not None


_COMPLETIONS = ((with_line_ends, Change.LINE_ENDS), (with_pem_lines, Change.PEM_LINES))


class PassphraseFault(StrEnum):
    """Why key, secret and passphrase do not belong together."""

    NOT_USED = "not_used"
    TWICE = "twice"
    MISSING = "missing"


def with_passphrase(
    api_key: Secret, api_secret: str, passphrase: Secret | None, *, required: bool
) -> Credentials | PassphraseFault:
    """Return credentials, of which a passphrase may be given as `secret:passphrase` too."""
    if not required:
        if passphrase is not None:
            return PassphraseFault.NOT_USED
        return Credentials(api_key, Secret(api_secret))
    secret, colon, rest = api_secret.partition(":")
    if passphrase is not None:
        if colon:
            return PassphraseFault.TWICE
        return Credentials(api_key, Secret(api_secret), passphrase)
    if not secret or not rest:
        return PassphraseFault.MISSING
    return Credentials(api_key, Secret(secret), Secret(rest))


def tidied(
    credentials: Credentials, *, takes_pem: bool
) -> tuple[Credentials, tuple[Adjustment, ...]]:
    """Return credentials without what a paste left around them, and what was changed.

    `takes_pem`: the exchange takes private keys as secrets.
    """
    key, of_key = without_surroundings("api_key", credentials.api_key.reveal())
    secret, of_secret = without_surroundings("api_secret", credentials.api_secret.reveal())
    of_passphrase: tuple[Adjustment, ...] = ()
    passphrase = credentials.api_passphrase
    if passphrase is not None:
        bare, of_passphrase = passphrase_without_white_space("api_passphrase", passphrase.reveal())
        passphrase = Secret(bare)
    for complete, change in _COMPLETIONS if takes_pem else ():
        pem = complete(secret)
        if pem is not None:
            secret, of_secret = pem, (*of_secret, Adjustment("api_secret", change))
    return (
        Credentials(Secret(key), Secret(secret), passphrase),
        (*of_key, *of_secret, *of_passphrase),
    )
