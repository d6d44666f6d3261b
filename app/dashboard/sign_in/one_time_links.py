"""Links that sign in once, for a developer at the machine that the service runs on.

A link holds the account's name and when it was made, under a keyed hash: `botkeys dashboard` makes
one with the key files of the data folder, and nothing has to be stored before it is used. What was
used is remembered by the session that it opened (`proof`).
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.auth.development_issuer import ISSUER
from app.auth.principal import is_account_name
from botkeys import base64url
from botkeys.sealing.boxes import SecretBytes

LIFETIME = 900
"""Seconds in which a link can be used."""

PATH = "/auth/link"
_LABEL = b"botkeys/one-time-link/1"
_TIME_BYTES = 8
_RANDOM_BYTES = 12
_MAC_BYTES = 32
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """Whom a link signs in, and what makes it usable once."""

    account: str
    made_at: datetime
    proof: bytes
    issuer: str = ISSUER


class OneTimeLinks:
    """The links of one data folder. `clock` returns seconds since 1970."""

    def __init__(self, hmac_key: SecretBytes, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac_key
        self._clock = clock

    def make(self, account: str) -> str:
        """Return the path of a new link; raise `ValueError` for a name that no account can have."""
        if not is_account_name(account):
            raise ValueError("an account name must be 1 to 255 visible characters")
        made_at = int(self._clock()).to_bytes(_TIME_BYTES, "big")
        body = made_at + secrets.token_bytes(_RANDOM_BYTES) + account.encode()
        return f"{PATH}/{base64url.encode(body + self._mac(body))}"

    def read(self, token: str) -> OneTimeLink | None:
        """Return what the link says; `None` if it was not made here or is too old."""
        raw = base64url.decode(token) if len(token) <= _LONGEST else None
        if raw is None or len(raw) <= _TIME_BYTES + _RANDOM_BYTES + _MAC_BYTES:
            return None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        made_at = int.from_bytes(body[:_TIME_BYTES], "big")
        if not 0 <= self._clock() - made_at < LIFETIME:
            return None
        return OneTimeLink(
            body[_TIME_BYTES + _RANDOM_BYTES :].decode(),
            datetime.fromtimestamp(made_at, UTC),
            hashlib.sha256(raw).digest(),
        )

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(bytes(self._key.reveal()), _LABEL + body, "sha256")
