"""The public keys of an issuer, as its JWK Set gives them (RFC 7517)."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.auth.strict_json import NotAnObject, read_object

VerificationKey = RSAKey | ECKey | OKPKey

# Algorithm → the key type and the curve it needs. Only asymmetric ones: an HMAC "verified" with
# a public key is a signature that anyone can make.
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
# Without `key_ops`, which says nothing more than `use` to one who only verifies; without `x5c`
# and `x5u`, since it is the issuer's address that vouches for the key.
_COMMON_MEMBERS = ("kty", "kid", "alg")
_RSA_BITS = range(2048, 8192 + 1)
_MAX_KEYS = 100
_MAX_KID_LENGTH = 512


class BadKeySet(ValueError):
    """What the issuer sent is no JWK Set."""


class KeySource(Protocol):
    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        """The keys that a token may be signed with; none if no such key is published.

        Raises `IssuerUnavailable` if no keys can be had at all.
        """

    async def refresh(self) -> bool:
        """Ask the issuer again, unless that was done just now; tells whether the keys changed."""


class FixedKeys:
    """Keys that never change."""

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self._keys = tuple(keys)

    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        return matching(self._keys, kid, algorithm)

    async def refresh(self) -> bool:
        return False


def matching(
    keys: Iterable[VerificationKey], kid: str | None, algorithm: str
) -> Sequence[VerificationKey]:
    """The keys for this algorithm; those of that id only, where the token names one."""
    return [key for key in keys if (kid is None or key.kid == kid) and _fits(key, algorithm)]


def parse_key_set(body: bytes) -> tuple[VerificationKey, ...]:
    """The keys in a JWK Set that can verify a signature; raises `BadKeySet`.

    What is of no use here is left out, as RFC 7517 section 5 asks: other key types, symmetric
    keys, keys for encryption, RSA below 2048 bits, keys that cannot be read. Only the public
    members are taken, even where the issuer publishes more by mistake.
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
    # Six bits a character; a few more or less at the ends are the library's to judge.
    return 6 * len(members.get("n", "")) in range(_RSA_BITS.start, _RSA_BITS.stop + 16) and (
        len(members.get("e", "")) <= len("AQAB") + 4
    )
