"""The text of a key file.

    botkeys master-private 1        kind, version of this format
    version 1                       master keys only
    check 5f3c8a9b0c1d2e3f          detects truncation, corruption and a wrong half
    <base64url, without padding>

Format 2 of a private key file has the seed wrapped, and says how; what wraps it can be asked to
unwrap it (`app.custody.wrapping`):

    botkeys master-private 2
    version 1
    check 5f3c8a9b0c1d2e3f
    wrapped vault-transit transit botkeys
    <base64url of the wrapped bytes, without padding>

In both files of a master key, `check` is the fingerprint of the public half. For any other secret
it is the first 8 bytes of SHA-256 over "botkeys/check/1" and the secret, in hexadecimal; for 256
random bits that reveals nothing.
"""

import hashlib
import hmac
import re
from pathlib import Path

from app.custody.errors import KeyFileGarbled, KeyNotUnwrapped
from app.custody.master_key import MASTER_SUITE, MasterPrivateKey, MasterPublicKey
from app.custody.wrapping.wrapped import (
    LONGEST_WRAPPED,
    SeedBinding,
    Unwrap,
    WrappedSeed,
    WrapperFailed,
    Wrapping,
)
from botkeys import base64url
from botkeys.sealing.boxes import SecretBytes, Uncopyable
from botkeys.sealing.errors import InvalidPublicKey
from botkeys.sealing.suites import SEED_BYTES, PublicKey

SECRET_BYTES = 32

_FORMAT = 1
_WRAPPED_FORMAT = 2
_WRAPPED = re.compile(
    rb"check (?P<check>[0-9a-f]{16})\nwrapped (?P<wrapping>[!-~]+(?: [!-~]+)*)\n(?P<body>[^\n]+)\n"
)
_CHECK_LABEL = b"botkeys/check/1"
_CHECK_BYTES = 8


def encode_master_private(seed: bytearray, public: MasterPublicKey) -> SecretBytes:
    return _encode("master-private", seed, public.fingerprint, public.version)


def encode_master_public(public: MasterPublicKey) -> SecretBytes:
    return _encode("master-public", public.raw, public.fingerprint, public.version)


def encode_secret(kind: str, content: bytearray) -> SecretBytes:
    return _encode(kind, content, _check(content))


def encode_wrapped(wrapped: WrappedSeed) -> SecretBytes:
    heading = _heading("master-private", wrapped.binding.version, _WRAPPED_FORMAT)
    lines = f"check {wrapped.binding.fingerprint}\nwrapped {wrapped.wrapping.text}\n"
    return SecretBytes(f"{heading}{lines}{base64url.encode(wrapped.content)}\n".encode())


def decode_wrapped(path: Path, content: SecretBytes, version: int) -> WrappedSeed | None:
    """Parse a private key file of format 2, `None` if it is of format 1; raise KeyFileGarbled."""
    heading = _heading("master-private", version, _WRAPPED_FORMAT).encode()
    if not content.reveal().startswith(heading.partition(b"\n")[0] + b"\n"):
        return None
    text = bytes(content.reveal())
    match = _WRAPPED.fullmatch(text.removeprefix(heading))
    if match is None or not text.startswith(heading):
        raise garbled(path, "it is not a wrapped key of its version, or truncated")
    wrapping = Wrapping.parse(match["wrapping"].decode())
    if wrapping is None:
        raise garbled(path, "the line `wrapped` names no known wrapper")
    body = base64url.decode(match["body"])
    if body is None or len(body) > LONGEST_WRAPPED:
        raise garbled(path, "its last line is not base64url, or too long")
    return WrappedSeed(wrapping, SeedBinding(version, match["check"].decode()), bytes(body))


def unwrapped(path: Path, wrapped: WrappedSeed, unwrap: Unwrap) -> SecretBytes:
    """Return the seed, compared with its fingerprint; raise KeyNotUnwrapped or KeyFileGarbled."""
    failure = None
    try:
        seed = unwrap(wrapped)
    except WrapperFailed as error:
        failure = str(error)
    if failure is not None:
        raise KeyNotUnwrapped(path, wrapped.wrapping.text, failure)
    key = MasterPrivateKey(wrapped.binding.version, seed.reveal())
    if not hmac.compare_digest(key.fingerprint, wrapped.binding.fingerprint):
        seed.wipe()
        raise garbled(path, "what it unwraps to is another key than its check says")
    return seed


def decode_seed(path: Path, content: SecretBytes, version: int) -> SecretBytes:
    """Return the seed of a file of format 1, compared with its check; raise KeyFileGarbled."""
    file = _Text(path, content, "master-private", version)
    seed = file.body(SEED_BYTES)
    file.compare(MasterPrivateKey(version, seed.reveal()).fingerprint)
    return seed


def decode_master_public(path: Path, content: SecretBytes, version: int) -> MasterPublicKey:
    """Parse a public key file; raise KeyFileGarbled."""
    file = _Text(path, content, "master-public", version)
    body = file.body(MASTER_SUITE.public_key_bytes)
    try:
        key = MasterPublicKey(version, PublicKey(MASTER_SUITE, bytes(body.reveal())))
    except InvalidPublicKey:
        raise file.garbled("it does not contain a public key") from None
    file.compare(key.fingerprint)
    return key


def decode_secret(path: Path, content: SecretBytes, kind: str) -> SecretBytes:
    """Parse a secret's file; raise KeyFileGarbled."""
    file = _Text(path, content, kind)
    secret = file.body(SECRET_BYTES)
    file.compare(_check(secret.reveal()))
    return secret


class _Text(Uncopyable):
    """The lines of one key file. Frames that raise its errors hold only boxes."""

    __slots__ = ("_body", "_check", "_path")

    def __init__(
        self, path: Path, content: SecretBytes, kind: str, version: int | None = None
    ) -> None:
        self._path = path
        heading = _heading(kind, version).encode()
        if not content.reveal().startswith(heading):
            raise self.garbled("it does not begin with: " + heading.decode().replace("\n", ", "))
        with SecretBytes(content.reveal()[len(heading) :]) as rest:
            if rest.reveal().count(b"\n") != 2 or not rest.reveal().endswith(b"\n"):
                raise self.garbled("it is truncated or has too many lines")
            if not rest.reveal().startswith(b"check "):
                raise self.garbled("its check line is missing")
            self._check = bytes(rest.reveal().split(b"\n")[0].removeprefix(b"check "))
            self._body = SecretBytes(rest.reveal().split(b"\n")[1])

    def body(self, length: int) -> SecretBytes:
        with self._body as text:
            decoded = _decoded(text)
        if decoded is None:
            raise self.garbled("its last line is not base64url")
        if len(decoded.reveal()) != length:
            raise self.garbled(f"it contains {len(decoded.reveal())} bytes instead of {length}")
        return decoded

    def compare(self, computed: str) -> None:
        if not hmac.compare_digest(computed.encode(), self._check):
            raise self.garbled("its check does not match its content")

    def garbled(self, what: str) -> KeyFileGarbled:
        return garbled(self._path, what)


def garbled(path: Path, what: str) -> KeyFileGarbled:
    return KeyFileGarbled(
        path, f"is not a complete key file: {what}. It was not changed; restore it from a backup."
    )


def _heading(kind: str, version: int | None, number: int = _FORMAT) -> str:
    return f"botkeys {kind} {number}\n" + ("" if version is None else f"version {version}\n")


def _encode(
    kind: str, body: bytes | bytearray, check: str, version: int | None = None
) -> SecretBytes:
    text = base64url.encode(body).encode()
    return SecretBytes(
        b"%scheck %s\n%s\n" % (_heading(kind, version).encode(), check.encode(), text)
    )


def _decoded(text: SecretBytes) -> SecretBytes | None:
    raw = base64url.decode(text.reveal())
    return None if raw is None else SecretBytes(raw)


def _check(content: bytearray) -> str:
    return hashlib.sha256(_CHECK_LABEL + content).digest()[:_CHECK_BYTES].hex()
