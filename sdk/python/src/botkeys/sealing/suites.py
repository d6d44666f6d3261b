"""The two HPKE suites (RFC 9180), as one pair of key types over both.

| suite           | KEM                                               | public key   | enc    |
| --------------- | ------------------------------------------------- | ------------ | ------ |
| mlkem768-x25519 | 0x647a, MLKEM768-X25519 of draft-ietf-hpke-pq     | 1184 + 32 B  | 1120 B |
| x25519          | 0x0020, DHKEM(X25519, HKDF-SHA256) of RFC 9180    | 32 B         | 32 B   |

Both go with HKDF-SHA256 (0x0001) and AES-256-GCM (0x0002). The first is the KEM also called X-Wing;
its private key is the 32-byte seed of the draft. A sealed value is enc ‖ ciphertext.
"""

import hashlib
import secrets
from enum import StrEnum
from typing import Self, assert_never, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from botkeys.sealing.boxes import Uncopyable, wipe
from botkeys.sealing.errors import CannotOpen, InvalidPublicKey, UnknownSuite

SEED_BYTES = 32

_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_SEED_BYTES = 64
_X25519_BYTES = 32

_WITHOUT_HIGHEST_BIT = 0x7F
_FIELD = 2**255 - 19
_OF_ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
_LOW_ORDER = frozenset(
    point.to_bytes(_X25519_BYTES, "little")
    for point in (0, 1, *_OF_ORDER_8, _FIELD - 1, _FIELD, _FIELD + 1)
)
"""All points of low order, in each of their forms with a clear highest bit.

Of such a point and any private key the shared secret is zero. A form with the highest bit set is
the same point (RFC 7748 section 5), and of points below 19 the field has a second form.
"""


class SuiteName(StrEnum):
    MLKEM768_X25519 = "mlkem768-x25519"
    X25519 = "x25519"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the suite of that name. Raises UnknownSuite."""
        try:
            return cls(text)
        except ValueError:
            raise UnknownSuite from None

    @property
    def public_key_bytes(self) -> int:
        match self:
            case SuiteName.MLKEM768_X25519:
                return _MLKEM_PUBLIC_BYTES + _X25519_BYTES
            case SuiteName.X25519:
                return _X25519_BYTES
        assert_never(self)


@final
class PublicKey(Uncopyable):
    """A key to seal to."""

    __slots__ = ("_key", "raw", "suite")

    def __init__(self, suite: SuiteName, raw: bytes) -> None:
        """Take `raw` as in the table above. Raises InvalidPublicKey if it cannot be sealed to."""
        if len(raw) != suite.public_key_bytes:
            raise InvalidPublicKey(
                f"A public key of {suite} is {suite.public_key_bytes} bytes long, not {len(raw)}."
            )
        self.suite = suite
        self.raw = bytes(raw)
        point = _x25519_public(self.raw[-_X25519_BYTES:])
        self._key: X25519PublicKey | hpke.MLKEM768X25519PublicKey = point
        if suite is SuiteName.MLKEM768_X25519:
            lattice = _mlkem_public(self.raw[:_MLKEM_PUBLIC_BYTES])
            self._key = hpke.MLKEM768X25519PublicKey(lattice, point)

    def seal(self, plaintext: bytes | bytearray, info: bytes) -> bytes:
        """Return enc ‖ ciphertext, with a fresh encapsulation each time."""
        return _hpke(self.suite).encrypt(plaintext, self._key, info)


@final
class PrivateKey(Uncopyable):
    """A key that opens. Master keys and a bot's one-time keys are both of this type."""

    __slots__ = ("_key", "public", "suite")

    def __init__(self, suite: SuiteName, seed: bytes | bytearray) -> None:
        """Take a `seed` of 32 bytes: the draft's for the hybrid, the scalar itself for X25519."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed is {SEED_BYTES} bytes long")
        self.suite = suite
        match suite:
            case SuiteName.MLKEM768_X25519:
                # The expansion of draft-irtf-cfrg-concrete-hybrid-kems: ML-KEM's seed, the scalar.
                wide = bytearray(hashlib.shake_256(seed).digest(_MLKEM_SEED_BYTES + _X25519_BYTES))
                lattice = MLKEM768PrivateKey.from_seed_bytes(wide[:_MLKEM_SEED_BYTES])
                point = X25519PrivateKey.from_private_bytes(wide[_MLKEM_SEED_BYTES:])
                wipe(wide)
                self._key: X25519PrivateKey | hpke.MLKEM768X25519PrivateKey = (
                    hpke.MLKEM768X25519PrivateKey(lattice, point)
                )
                raw = (
                    lattice.public_key().public_bytes_raw() + point.public_key().public_bytes_raw()
                )
            case SuiteName.X25519:
                self._key = point = X25519PrivateKey.from_private_bytes(seed)
                raw = point.public_key().public_bytes_raw()
        self.public = PublicKey(suite, raw)

    @classmethod
    def generate(cls, suite: SuiteName) -> Self:
        seed = bytearray(secrets.token_bytes(SEED_BYTES))
        try:
            return cls(suite, seed)
        finally:
            wipe(seed)

    def open(self, sealed: bytes, info: bytes) -> bytearray:
        """Return the plaintext in a buffer for the caller to wipe. Raises CannotOpen."""
        try:
            return bytearray(_hpke(self.suite).decrypt(sealed, self._key, info))
        except (InvalidTag, ValueError):
            raise CannotOpen from None


def _hpke(suite: SuiteName) -> hpke.Suite:
    match suite:
        case SuiteName.MLKEM768_X25519:
            kem = hpke.KEM.MLKEM768_X25519
        case SuiteName.X25519:
            kem = hpke.KEM.X25519
    return hpke.Suite(kem, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def _x25519_public(raw: bytes) -> X25519PublicKey:
    if raw[:-1] + bytes([raw[-1] & _WITHOUT_HIGHEST_BIT]) in _LOW_ORDER:
        raise InvalidPublicKey("The X25519 part of the public key is a point of low order.")
    return X25519PublicKey.from_public_bytes(raw)


def _mlkem_public(raw: bytes) -> MLKEM768PublicKey:
    try:
        return MLKEM768PublicKey.from_public_bytes(raw)
    except ValueError:
        raise InvalidPublicKey(
            "The ML-KEM-768 part of the public key fails the encoding check of FIPS 203."
        ) from None
