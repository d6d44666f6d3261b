"""The public keys of an issuer, parsed from its JWK Set (RFC 7517)."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.auth.strict_json import NotAnObject, read_object

VerificationKey = RSAKey | ECKey | OKPKey

# Algorithm → the key type and curve it needs. Asymmetric algorithms only: anyone could forge an
# HMAC that is "verified" with a public key.
_NEEDS: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
ALGORITHMS = frozenset(_NEEDS)

_TYPES: dict[str, type[VerificationKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
# Without `key_ops`, which adds nothing to `use` for a verifier; without `x5c` and `x5u`, since the
# issuer's address vouches for the key.
_COMMON_MEMBERS = ("kty", "kid", "alg")
_RSA_BITS = range(2048, 8192 + 1)
_MAX_KEYS = 100
_MAX_KID_LENGTH = 512


class BadKeySet(ValueError):
    """The issuer's response is not a JWK Set."""


class KeySource(Protocol):
    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        """Return the keys that may have signed a token; empty if no such key is published.

        Raises `IssuerUnavailable` if no keys are available at all.
        """

    async def refresh(self) -> bool:
        """Fetch the keys again unless that was just done; return whether they changed."""

    def undecided(self) -> int | None:
        """Return the seconds until it may be known whether a key exists that was not found.

        `None` if it is known that it does not.
        """

    async def reached(self) -> bool:
        """Return whether the keys were ever fetched; try it if they were not."""


class FixedKeys:
    """A key source that never changes."""

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self._keys = tuple(keys)

    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        return matching(self._keys, kid, algorithm)

    async def refresh(self) -> bool:
        return False

    def undecided(self) -> None:
        return None

    async def reached(self) -> bool:
        return True


def matching(
    keys: Iterable[VerificationKey], kid: str | None, algorithm: str
) -> Sequence[VerificationKey]:
    """Return the keys for this algorithm, restricted to the key id if the token names one."""
    return [key for key in keys if (kid is None or key.kid == kid) and _fits(key, algorithm)]


def parse_key_set(body: bytes) -> tuple[VerificationKey, ...]:
    """Return the keys in a JWK Set that can verify a signature; raise `BadKeySet`.

    Unusable keys are skipped, as RFC 7517 section 5 asks: other key types, symmetric keys,
    encryption keys, RSA below 2048 bits, unreadable keys. Only public members are read, even if the
    issuer publishes more by mistake.
    """
    try:
        keys = read_object(body).get("keys")
    except NotAnObject:
        raise BadKeySet("the key set is not a JSON object") from None
    if not isinstance(keys, list) or len(keys) > _MAX_KEYS:
        raise BadKeySet(f"the key set has no list of at most {_MAX_KEYS} keys")
    return tuple(key for item in keys if (key := _public_key(item)) is not None)


def same_keys(one: Sequence[VerificationKey], other: Sequence[VerificationKey]) -> bool:
    return _fingerprint(one) == _fingerprint(other)


def _fingerprint(keys: Sequence[VerificationKey]) -> list[str]:
    return sorted(json.dumps(key.as_dict(private=False), sort_keys=True) for key in keys)


def _fits(key: VerificationKey, algorithm: str) -> bool:
    kind, curve = _NEEDS[algorithm]
    return (
        key.key_type == kind
        and (curve is None or key.get("crv") == curve)
        and key.alg in (None, algorithm)
    )


def _public_key(item: Any) -> VerificationKey | None:
    if not isinstance(item, dict) or not _is_for_verification(item):
        return None
    kind = item["kty"]
    wanted = (*_COMMON_MEMBERS, *_PUBLIC_MEMBERS[kind])
    members: dict[str, Any] = {name: item[name] for name in wanted if name in item}
    if not all(isinstance(value, str) for value in members.values()):
        return None
    if len(members.get("kid", "")) > _MAX_KID_LENGTH or not _is_of_good_size(members):
        return None
    try:
        return _TYPES[kind].import_key(members)
    except (JoseError, ValueError, KeyError):
        return None


def _is_for_verification(item: dict[str, Any]) -> bool:
    operations = item.get("key_ops")
    algorithm = item.get("alg")
    return (
        item.get("kty") in ("RSA", "EC", "OKP")
        and item.get("use") in (None, "sig")
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and (algorithm is None or (isinstance(algorithm, str) and algorithm in ALGORITHMS))
    )


def _is_of_good_size(members: dict[str, str]) -> bool:
    if members["kty"] != "RSA":
        return members.get("crv") in {curve for _, curve in _NEEDS.values()}
    # Six bits a character; the library checks the exact size.
    return 6 * len(members.get("n", "")) in range(_RSA_BITS.start, _RSA_BITS.stop + 16) and (
        len(members.get("e", "")) <= len("AQAB") + 4
    )
