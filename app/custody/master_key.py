"""Master key pairs: the api role seals data keys to the public half, runtime opens them."""

import hashlib
from typing import final

from botkeys.sealing.boxes import Uncopyable
from botkeys.sealing.suites import PrivateKey, PublicKey, SuiteName

MASTER_SUITE = SuiteName.MLKEM768_X25519

_FINGERPRINT_BYTES = 8


@final
class MasterPublicKey(Uncopyable):
    """A key that seals but cannot open; both halves have the same short `fingerprint`."""

    __slots__ = ("_key", "fingerprint", "version")

    def __init__(self, version: int, key: PublicKey) -> None:
        if version < 1:
            raise ValueError("versions of master keys count from 1")
        self.version = version
        self.fingerprint = hashlib.sha256(key.raw).digest()[:_FINGERPRINT_BYTES].hex()
        self._key = key

    @property
    def raw(self) -> bytes:
        """Return the raw key: ML-KEM-768 1184 B ‖ X25519 32 B."""
        return self._key.raw

    def seal(self, plaintext: bytes | bytearray, info: bytes) -> bytes:
        return self._key.seal(plaintext, info)


@final
class MasterPrivateKey(Uncopyable):
    """A key that opens what its `public` half sealed."""

    __slots__ = ("_key", "public")

    def __init__(self, version: int, seed: bytes | bytearray) -> None:
        self._key = PrivateKey(MASTER_SUITE, seed)
        self.public = MasterPublicKey(version, self._key.public)

    @property
    def version(self) -> int:
        return self.public.version

    @property
    def fingerprint(self) -> str:
        return self.public.fingerprint

    def open(self, sealed: bytes, info: bytes) -> bytearray:
        """Return the plaintext in a buffer that the caller must wipe; raise CannotOpen."""
        return self._key.open(sealed, info)
