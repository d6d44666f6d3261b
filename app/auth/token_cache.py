"""Tokens whose signature was found good, so that a client's next request costs no new check.

A check takes some 200 µs of a processor, more than many a request's other work. What is remembered
is which key a token was signed with; it counts for as long as the issuer publishes that key.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from app.auth.claims import Claims
from app.auth.key_sets import VerificationKey

_CAPACITY = 2048


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    claims: Claims
    key: VerificationKey
    kid: str | None
    algorithm: str


class VerifiedTokens:
    """The last tokens used, by their SHA-256: the tokens themselves are not kept."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._by_digest: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def get(self, token: bytes) -> VerifiedToken | None:
        digest = sha256(token).digest()
        found = self._by_digest.get(digest)
        if found is not None:
            self._by_digest.move_to_end(digest)
        return found

    def remember(self, token: bytes, verified: VerifiedToken) -> None:
        self._by_digest[sha256(token).digest()] = verified
        if len(self._by_digest) > self._capacity:
            self._by_digest.popitem(last=False)
