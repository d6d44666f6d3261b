"""Minting and hashing of bot tokens.

The database stores an HMAC over the whole text. Account and bot are part of it, so a hash moved to
another bot's row matches no token.
"""

import hmac
import secrets
from collections.abc import Callable
from uuid import UUID

from app.auth.bot_token import RANDOM_BYTES, encode
from botkeys.sealing.secret import Secret


def mint(
    account_id: UUID, bot_id: UUID, random: Callable[[int], bytes] = secrets.token_bytes
) -> Secret:
    return Secret(encode(account_id.bytes + bot_id.bytes + random(RANDOM_BYTES)))


def token_hash(hmac_key: bytes, token: Secret | str) -> bytes:
    """Return the HMAC-SHA256 of the token's whole text, 32 bytes, as the database stores it."""
    text = token.reveal() if isinstance(token, Secret) else token
    return hmac.digest(hmac_key, text.encode(), "sha256")
