"""The state of a sign-in between its start and the issuer's answer.

The service stores nothing until somebody has signed in: what it must know later travels with the
browser, under a keyed hash. The parameter `state` says where to go afterwards and when it began;
the hash covers it and the random value of a cookie, so that an answer counts only in the browser in
which the sign-in began. `nonce` and the PKCE verifier are derived from that hash and leave the
service in no other form than the flow demands. That a state works once is up to the session that it
opens (`proof`).
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from app.auth.session_cookie import ParsedSession
from botkeys import base64url
from botkeys.sealing.boxes import SecretBytes

LIFETIME = 600
"""Seconds that a person has to sign in at the issuer."""

SECURE_NAME = "__Host-botkeys-sign-in"
PLAIN_NAME = "botkeys-sign-in"

_LABEL = b"botkeys/sign-in-state/1"
_BROWSER_BYTES = 32
_TIME_BYTES = 8
_RANDOM_BYTES = 16
_ID_BYTES = 16
_FORMER_BYTES = 2 * _ID_BYTES
_MAC_BYTES = 32
_LEAST = _TIME_BYTES + _RANDOM_BYTES + _FORMER_BYTES
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class SignInState:
    """One sign-in that has begun. `former` is what the browser's cookie claimed then."""

    began_at: datetime
    return_to: str
    former: ParsedSession | None
    mac: bytes
    text: str
    key: SecretBytes

    @property
    def nonce(self) -> str:
        return base64url.encode(self._derived(b"nonce"))

    @property
    def verifier(self) -> str:
        return base64url.encode(self._derived(b"verifier"))

    @property
    def challenge(self) -> str:
        return base64url.encode(hashlib.sha256(self.verifier.encode()).digest())

    @property
    def proof(self) -> bytes:
        return hashlib.sha256(_LABEL + self.mac).digest()

    def _derived(self, purpose: bytes) -> bytes:
        message = b"%b/%b/%b" % (_LABEL, purpose, self.mac)
        return hmac.digest(bytes(self.key.reveal()), message, "sha256")


class SignInStates:
    """The states that this service began. `clock` returns seconds since 1970."""

    def __init__(self, hmac_key: SecretBytes, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac_key
        self._clock = clock

    def begin(
        self, browser: str, return_to: str, former: ParsedSession | None = None
    ) -> SignInState:
        """Return a new state for the browser with this value in its cookie."""
        began_at = int(self._clock()).to_bytes(_TIME_BYTES, "big")
        before = bytes(_FORMER_BYTES)
        if former is not None:
            before = former.account_id.bytes + former.session_id.bytes
        body = began_at + secrets.token_bytes(_RANDOM_BYTES) + before + return_to.encode("ascii")
        return self._state(body, self._mac(browser, body))

    def read(self, browser: str | None, text: str) -> SignInState | None:
        """Return the state; `None` if it did not begin here, in this browser, or not lately."""
        raw = base64url.decode(text) if len(text) <= _LONGEST else None
        if raw is None or len(raw) < _LEAST + _MAC_BYTES or not is_browser(browser):
            return None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(browser or "", body)):
            return None
        state = self._state(body, mac)
        age = self._clock() - state.began_at.timestamp()
        return state if 0 <= age < LIFETIME else None

    def _state(self, body: bytes, mac: bytes) -> SignInState:
        before = body[_TIME_BYTES + _RANDOM_BYTES : _LEAST]
        former = None
        if any(before):
            former = ParsedSession(UUID(bytes=before[:_ID_BYTES]), UUID(bytes=before[_ID_BYTES:]))
        return SignInState(
            began_at=datetime.fromtimestamp(int.from_bytes(body[:_TIME_BYTES], "big"), UTC),
            return_to=body[_LEAST:].decode("ascii"),
            former=former,
            mac=mac,
            text=base64url.encode(body + mac),
            key=self._key,
        )

    def _mac(self, browser: str, body: bytes) -> bytes:
        message = _LABEL + browser.encode() + body
        return hmac.digest(bytes(self._key.reveal()), message, "sha256")


def new_browser() -> str:
    """Return a random value for the cookie of a browser that begins to sign in."""
    return base64url.encode(secrets.token_bytes(_BROWSER_BYTES))


def is_browser(value: str | None) -> bool:
    """Return whether a cookie's value has the one form in which we set it."""
    raw = None if value is None else base64url.decode(value)
    return raw is not None and len(raw) == _BROWSER_BYTES
