"""The ids in a bot's token, as its holder can read them.

`bkb_`, then 86 characters of base62 (0-9A-Za-z) for account id (16 B) ‖ bot id (16 B) ‖ 256 random
bits as one big-endian number, then 6 characters of base62 for the CRC-32 of all the text before.
"""

import re
import zlib
from dataclasses import dataclass
from uuid import UUID

from botkeys.client.errors import MalformedToken
from botkeys.sealing.secret import Secret

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"(?P<checked>bkb_(?P<body>[0-9A-Za-z]{86}))(?P<checksum>[0-9A-Za-z]{6})")
_BODY_BYTES = 64


@dataclass(frozen=True, slots=True)
class TokenIds:
    account_id: UUID
    bot_id: UUID


def parse_token(token: Secret) -> TokenIds:
    """Return the ids. Raises MalformedToken, which never quotes the token."""
    ids = _ids(token)
    if ids is None:
        raise MalformedToken
    return ids


def _ids(token: Secret) -> TokenIds | None:
    # A function of its own that does not raise: no traceback then holds the token's text.
    shape = _SHAPE.fullmatch(token.reveal())
    if shape is None or zlib.crc32(shape["checked"].encode()) != _number(shape["checksum"]):
        return None
    number = _number(shape["body"])
    if number.bit_length() > _BODY_BYTES * 8:
        return None
    body = number.to_bytes(_BODY_BYTES, "big")
    return TokenIds(account_id=UUID(bytes=body[:16]), bot_id=UUID(bytes=body[16:32]))


def _number(text: str) -> int:
    number = 0
    for character in text:
        number = number * len(_ALPHABET) + _ALPHABET.index(character)
    return number
