"""A bot's token: `bkb_`, 86 base62 characters, 6 more of checksum; 96 in all.

The 86 are account id (16 B), bot id (16 B) and 256 random bits as one big-endian number, written
in 0-9A-Za-z and padded on the left with `0`. The 6 are the CRC-32 of all the text before them in
the same writing: a typing error is found, and a leak scanner can be sure, without a database.
There is one text for each token: what `parse` takes, `mint` could have written.

Stored is an HMAC over the whole text. Account and bot are part of it, so a hash moved to another
bot's row matches no token.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from app.auth.errors import TokenFault, Unauthenticated
from botkeys.sealing.secret import Secret

PREFIX = "bkb_"
# For leak scanners. What it finds is a token if the checksum holds: see `parse`.
BOT_TOKEN_PATTERN = r"\bbkb_[0-9A-Za-z]{92}\b"

RANDOM_BYTES = 32
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_ID_BYTES = 16
_BODY_BYTES = _ID_BYTES + _ID_BYTES + RANDOM_BYTES
_BODY_WIDTH = 86
_CHECKSUM_WIDTH = 6
_SHAPE = re.compile(
    rf"{PREFIX}(?P<body>[0-9A-Za-z]{{{_BODY_WIDTH}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_WIDTH}}})"
)


@dataclass(frozen=True, slots=True)
class ParsedBotToken:
    """Whose token it says it is. Nothing is proved until its hash is found in the database."""

    account_id: UUID
    bot_id: UUID


def mint(
    account_id: UUID, bot_id: UUID, random: Callable[[int], bytes] = secrets.token_bytes
) -> Secret:
    body = account_id.bytes + bot_id.bytes + random(RANDOM_BYTES)
    if len(body) != _BODY_BYTES:
        raise ValueError("the source of random bytes gave another number of them")
    text = PREFIX + _base62(int.from_bytes(body, "big"), _BODY_WIDTH)
    return Secret(text + _checksum(text))


def looks_like_bot_token(text: str) -> bool:
    return text.startswith(PREFIX)


def parse(text: str) -> ParsedBotToken:
    """Read whose token this is; raises `Unauthenticated` unless every character is in place."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise Unauthenticated(TokenFault.MALFORMED)
    signed = text[: -len(shape["checksum"])]
    if not hmac.compare_digest(_checksum(signed), shape["checksum"]):
        raise Unauthenticated(TokenFault.MALFORMED)
    number = 0
    for character in shape["body"]:
        number = number * len(_ALPHABET) + _VALUES[character]
    try:
        body = number.to_bytes(_BODY_BYTES, "big")
    except OverflowError:  # 62^86 is a little more than 2^512
        raise Unauthenticated(TokenFault.MALFORMED) from None
    return ParsedBotToken(
        account_id=UUID(bytes=body[:_ID_BYTES]), bot_id=UUID(bytes=body[_ID_BYTES : 2 * _ID_BYTES])
    )


def token_hash(hmac_key: bytes, token: Secret | str) -> bytes:
    """HMAC-SHA256 over the token's whole text, 32 bytes: what the database holds."""
    text = token.reveal() if isinstance(token, Secret) else token
    return hmac.new(hmac_key, text.encode(), hashlib.sha256).digest()


def matches(hmac_key: bytes, token: Secret | str, stored_hash: bytes) -> bool:
    """Whether the stored hash is this token's, in a time that tells nothing."""
    return hmac.compare_digest(token_hash(hmac_key, token), stored_hash)


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_WIDTH)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
