"""The text of a key file.

    botkeys master-private 1        kind, version of this format
    version 1                       master keys only
    check 5f3c8a9b0c1d2e3f          finds truncation, garbling and a wrong half
    <base64url, without padding>

`check` of a master key is the fingerprint of its public half, in both files; of another secret the
first 8 bytes of SHA-256 over "botkeys/check/1" and the secret, in hexadecimal. Of 256 random bits
it gives nothing away.
"""

import base64
import binascii
import hashlib
import hmac
from pathlib import Path

from app.vault.boxes import SecretBytes
from app.vault.errors import InvalidPublicKey, KeyFileGarbled
from app.vault.masterkeys import MASTER_SUITE, MasterPrivateKey, MasterPublicKey
from app.vault.suites import SEED_BYTES, PublicKey

SECRET_BYTES = 32

_FORMAT = 1
_CHECK_LABEL = b"botkeys/check/1"
_CHECK_BYTES = 8


def encode_master_private(seed: bytearray, public: MasterPublicKey) -> bytes:
    return _encode("master-private", seed, public.fingerprint, public.version)


def encode_master_public(public: MasterPublicKey) -> bytes:
    return _encode("master-public", public.raw, public.fingerprint, public.version)


def encode_secret(kind: str, content: bytearray) -> bytes:
    return _encode(kind, content, _check(content))


def decode_master_private(path: Path, content: bytes, version: int) -> MasterPrivateKey:
    """Raises KeyFileGarbled."""
    seed, check = _decode(path, content, "master-private", SEED_BYTES, version)
    with seed:
        key = MasterPrivateKey(version, seed.reveal())
    _compare(path, key.fingerprint, check)
    return key


def decode_master_public(path: Path, content: bytes, version: int) -> MasterPublicKey:
    """Raises KeyFileGarbled."""
    body, check = _decode(path, content, "master-public", MASTER_SUITE.public_key_bytes, version)
    try:
        key = MasterPublicKey(version, PublicKey(MASTER_SUITE, bytes(body.reveal())))
    except InvalidPublicKey:
        raise _garbled(path, "what it holds is no public key") from None
    _compare(path, key.fingerprint, check)
    return key


def decode_secret(path: Path, content: bytes, kind: str) -> SecretBytes:
    """Raises KeyFileGarbled."""
    secret, check = _decode(path, content, kind, SECRET_BYTES, None)
    _compare(path, _check(secret.reveal()), check)
    return secret


def _encode(kind: str, body: bytes | bytearray, check: str, version: int | None = None) -> bytes:
    lines = [f"botkeys {kind} {_FORMAT}".encode()]
    if version is not None:
        lines.append(f"version {version}".encode())
    lines += [f"check {check}".encode(), base64.urlsafe_b64encode(body).rstrip(b"="), b""]
    return b"\n".join(lines)


def _decode(
    path: Path, content: bytes, kind: str, length: int, version: int | None
) -> tuple[SecretBytes, str]:
    lines = content.split(b"\n")
    first = f"botkeys {kind} ".encode()
    if not lines[0].startswith(first):
        raise _garbled(path, f"its first line does not begin with '{first.decode()}'")
    if lines[0] != first + str(_FORMAT).encode():
        raise _garbled(path, f"its format is not version {_FORMAT}")
    expected = 4 if version is None else 5
    if len(lines) != expected or lines[-1]:
        raise _garbled(path, "it is cut off or has lines too many")
    if version is not None and lines[1] != f"version {version}".encode():
        raise _garbled(path, "the version in it is not the one in its name")
    word, _, check = lines[-3].partition(b" ")
    if word != b"check":
        raise _garbled(path, "its check line is not there")
    try:
        body = base64.b64decode(lines[-2] + b"=" * (-len(lines[-2]) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _garbled(path, "its last line is not base64url") from None
    if len(body) != length:
        raise _garbled(path, f"it holds {len(body)} bytes where {length} belong")
    return SecretBytes(body), check.decode("ascii", "replace")


def _check(content: bytearray) -> str:
    return hashlib.sha256(_CHECK_LABEL + content).digest()[:_CHECK_BYTES].hex()


def _compare(path: Path, computed: str, written: str) -> None:
    if not hmac.compare_digest(computed.encode(), written.encode()):
        raise _garbled(path, "its check does not agree with its content")


def _garbled(path: Path, what: str) -> KeyFileGarbled:
    return KeyFileGarbled(
        path, f"is not a whole key file: {what}. It is left as it is; restore it from a backup."
    )
