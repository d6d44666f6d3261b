"""The format of a bot's token: `bkb_`, 86 base62 characters, a checksum of 6; 96 in all.

The 86 are account id (16 B), bot id (16 B) and 256 random bits as one big-endian number, written in
0-9A-Za-z and padded on the left with `0`. The 6 are the CRC-32 of all preceding text in the same
encoding: it exposes a typing error, and makes a leak scanner certain, without a database. Each
token has exactly one text: `parse` accepts only what `encode` could have written.
"""

import hmac
import re
import zlib
from dataclasses import dataclass
from uuid import UUID

from app.auth.errors import TokenFault, Unauthenticated

PREFIX = "bkb_"
# For leak scanners. A match is a token only if its checksum is right: see `parse`.
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
    """The ids that a token claims. They are unproven until its hash is found in the database."""

    account_id: UUID
    bot_id: UUID


def encode(body: bytes) -> str:
    """Return the text of a token made of 64 bytes: account id, bot id and random bits."""
    if len(body) != _BODY_BYTES:
        raise ValueError("the random source returned a different number of bytes")
    text = PREFIX + _base62(int.from_bytes(body, "big"), _BODY_WIDTH)
    return text + _checksum(text)


def looks_like_bot_token(text: str) -> bool:
    return text.startswith(PREFIX)


def parse(text: str) -> ParsedBotToken:
    """Return the ids in this token; raise `Unauthenticated` unless every character is valid."""
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


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_WIDTH)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
