"""Master keys: the api role seals data keys to the public half, runtime holds the private one."""

import hashlib
from typing import final

from botkeys.sealing.boxes import Uncopyable
from botkeys.sealing.suites import PrivateKey, PublicKey, SuiteName

MASTER_SUITE = SuiteName.MLKEM768_X25519

_FINGERPRINT_BYTES = 8


@final
class MasterPublicKey(Uncopyable):
    """Seals and cannot open. `fingerprint` is short, public, and the same for both halves."""

    __slots__ = ("_key", "fingerprint", "version")

    def __init__(self, version: int, key: PublicKey) -> None:
        if version < 1:
            raise ValueError("versions of master keys count from 1")
        self.version = version
        self.fingerprint = hashlib.sha256(key.raw).digest()[:_FINGERPRINT_BYTES].hex()
        self._key = key

    @property
    def raw(self) -> bytes:
        """ML-KEM-768 1184 B ‖ X25519 32 B."""
        return self._key.raw

    def seal(self, plaintext: bytes | bytearray, info: bytes) -> bytes:
        return self._key.seal(plaintext, info)


@final
class MasterPrivateKey(Uncopyable):
    """Opens what its `public` half sealed."""

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
        """The plaintext, in a buffer for the caller to wipe. Raises CannotOpen."""
        return self._key.open(sealed, info)
