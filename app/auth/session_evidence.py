"""The evidence of a session: the issuer's ID token, which only the session's cookie opens.

The role `api` begins sessions, and `runtime` mints bots' tokens in them. If an attacker who holds
`api` could make up a session with its keys and the database, the roles would not be apart. So a
session holds what the issuer signed, and `runtime` verifies it. It is encrypted with a key that is
derived from the cookie: neither the database nor any process has it while the person is away.
"""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from botkeys.sealing.secret import Secret

_LABEL = b"botkeys/session-evidence/1"
_NONCE_BYTES = 12


def seal_evidence(cookie: Secret, id_token: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_key(cookie)).encrypt(nonce, id_token.encode("ascii"), _LABEL)


def open_evidence(cookie: Secret, sealed: bytes) -> str | None:
    """Return the ID token; `None` if it was sealed for another cookie."""
    try:
        opened = AESGCM(_key(cookie)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _LABEL)
        return opened.decode("ascii")
    except (InvalidTag, ValueError):
        return None


def _key(cookie: Secret) -> bytes:
    return hmac.digest(cookie.reveal().encode(), _LABEL, "sha256")
