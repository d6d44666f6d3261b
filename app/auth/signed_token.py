"""The outer form of a JWT: three segments and an acceptable header (RFC 7515)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.key_sets import VerificationKey
from app.auth.strict_json import read_object

MAX_TOKEN_BYTES = 8192

# The same keys sign other types (a logout token, a DPoP proof, a security event) for other
# purposes. Many issuers omit `typ`, which then counts as JWT.
TYPES = ("JWT", "at+jwt")
_SEGMENTS = 3


class CompactReader:
    """A parser and signature checker for tokens signed with one of the `algorithms`.

    `types` are the accepted values of the header `typ`.
    """

    def __init__(self, algorithms: frozenset[str], types: Iterable[str] = TYPES) -> None:
        self._algorithms = algorithms
        self._types = frozenset(map(_type_name, types))
        self._registry = _Registry(algorithms)

    def read(self, token: bytes) -> jws.CompactSignature:
        """Parse the token; raise `Unauthenticated` for what can be rejected without a key."""
        try:
            segments = token.split(b".")
            if len(segments) != _SEGMENTS:
                raise Unauthenticated(TokenFault.MALFORMED)
            self._check_header(read_object(urlsafe_b64decode(segments[0])))
            return jws.extract_compact(token, registry=self._registry)
        except (JoseError, ValueError):
            raise Unauthenticated(TokenFault.MALFORMED) from None

    def is_signed_by(self, key: VerificationKey, signed: jws.CompactSignature) -> bool:
        try:
            return jws.validate_compact(signed, key, registry=self._registry)
        except (JoseError, ValueError):
            return False

    def _check_header(self, header: Mapping[str, Any]) -> None:
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise Unauthenticated(TokenFault.ALGORITHM)
        # `crit` lists extensions that must be understood; we support none. That also rules out
        # `b64`.
        if "crit" in header or not isinstance(header.get("kid", ""), str):
            raise Unauthenticated(TokenFault.MALFORMED)
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str):
            raise Unauthenticated(TokenFault.MALFORMED)
        if _type_name(kind) not in self._types:
            raise Unauthenticated(TokenFault.WRONG_TYPE)


def _type_name(kind: str) -> str:
    """Return the type as RFC 7515, section 4.1.9 compares it."""
    return kind.lower().removeprefix("application/")


def as_ascii(token: str | bytes) -> bytes:
    """Return the token's bytes; raise `Unauthenticated` if there are too many or not ASCII."""
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthenticated(TokenFault.TOO_LARGE)
    try:
        return token.encode("ascii") if isinstance(token, str) else token
    except UnicodeEncodeError:
        raise Unauthenticated(TokenFault.MALFORMED) from None


def looks_like_jwt(token: str) -> bool:
    """Return whether this has the form of a signed JWT, which does not mean that it is valid."""
    head, *rest = token.split(".")
    try:
        return len(rest) == _SEGMENTS - 1 and "alg" in read_object(urlsafe_b64decode(head.encode()))
    except ValueError:
        return False


class _Registry(jws.JWSRegistry):
    """joserfc's registry, with room for the headers that real issuers send.

    Unknown header parameters are ignored, as RFC 7515 section 4 demands; so are `jku`, `x5u`, `jwk`
    and `x5c`: a token cannot choose the key that verifies it, beyond naming a published one.
    """

    max_header_length = MAX_TOKEN_BYTES
    max_payload_length = MAX_TOKEN_BYTES
    max_signature_length = 2048  # RSA of 8192 bits takes 1366 characters

    def __init__(self, allowed: Collection[str]) -> None:
        super().__init__(algorithms=allowed, strict_check_header=False)
        self._allowed = allowed

    def get_alg(self, name: str) -> Any:
        """Return the algorithm without joserfc's warning about `EdDSA`, which issuers still use."""
        if name not in self._allowed:
            raise Unauthenticated(TokenFault.ALGORITHM)
        return self.algorithms[name]
