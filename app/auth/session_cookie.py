"""The text of a session's cookie: `bks_` and 64 bytes as base64url.

The 64 are account id (16 B), session id (16 B) and 256 random bits. The database holds a keyed hash
of the text, so that nobody who can write there alone can make a session.
"""

import hmac
import secrets
from dataclasses import dataclass
from uuid import UUID

from botkeys import base64url
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret

PREFIX = "bks_"

_LABEL = b"botkeys/session/1"
_ID_BYTES = 16
_RANDOM_BYTES = 32
_BODY_BYTES = 2 * _ID_BYTES + _RANDOM_BYTES


@dataclass(frozen=True, slots=True)
class ParsedSession:
    """The ids that a cookie claims. They are unproven until its hash is found in the database."""

    account_id: UUID
    session_id: UUID


def mint(account_id: UUID, session_id: UUID) -> Secret:
    """Return the text of a new session's cookie."""
    body = account_id.bytes + session_id.bytes + secrets.token_bytes(_RANDOM_BYTES)
    return Secret(PREFIX + base64url.encode(body))


def parse(text: str) -> ParsedSession | None:
    """Return the ids in this text; `None` for any text that `mint` could not have written."""
    body = base64url.decode(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None
    if body is None or len(body) != _BODY_BYTES:
        return None
    return ParsedSession(UUID(bytes=body[:_ID_BYTES]), UUID(bytes=body[_ID_BYTES : 2 * _ID_BYTES]))


def session_hash(hmac_key: SecretBytes, text: Secret) -> bytes:
    """Return what the database holds of a cookie: HMAC-SHA256(key, label ‖ text), 32 bytes."""
    return hmac.digest(bytes(hmac_key.reveal()), _LABEL + text.reveal().encode(), "sha256")


def matches(hmac_key: SecretBytes, text: Secret, stored_hash: bytes) -> bool:
    """Return whether the stored hash is this cookie's, in constant time."""
    return hmac.compare_digest(session_hash(hmac_key, text), stored_hash)
