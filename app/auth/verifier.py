"""Checks users' and services' tokens: JWTs of one issuer (RFC 7519, with RFC 8725's advice)."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from app.auth.claims import Claims, read_claims
from app.auth.errors import (
    AccountHeaderMalformed,
    AccountHeaderRequired,
    ActAsNotAllowed,
    TokenFault,
    Unauthenticated,
)
from app.auth.keys import ALGORITHMS, KeySource, VerificationKey
from app.auth.principal import UserPrincipal, account_id, is_account_name
from app.auth.scopes import Scope
from app.auth.strict_json import NotAnObject, read_object

MAX_TOKEN_BYTES = 8192

# Other types (a logout token, a DPoP proof, a security event) are signed by the same keys for
# another purpose. Many issuers leave `typ` out.
_TYPES = frozenset({"jwt", "at+jwt"})
# The end of the year 9999. A later time is milliseconds by mistake, or worse.
_LAST_SECOND = 253_402_300_799
_TIMES = ("exp", "nbf", "iat")
_SEGMENTS = 3
# Keys that one token may be tried against: a token without `kid` fits every key of its type.
_MAX_CANDIDATES = 10


class _Registry(jws.JWSRegistry):
    """joserfc's own, with room for the headers that real issuers send.

    Unknown header parameters are ignored, as RFC 7515 section 4 demands; so are `jku`, `x5u`,
    `jwk` and `x5c`: no token says which key it is checked with, beyond naming a published one.
    """

    max_header_length = MAX_TOKEN_BYTES
    max_payload_length = MAX_TOKEN_BYTES
    max_signature_length = 2048  # RSA of 8192 bits takes 1366 characters

    def __init__(self, allowed: frozenset[str]) -> None:
        super().__init__(algorithms=allowed, strict_check_header=False)
        self._allowed = allowed

    def get_alg(self, name: str) -> Any:
        """Without joserfc's warning at `EdDSA`, which issuers will call so for years."""
        if name not in self._allowed:
            raise Unauthenticated(TokenFault.ALGORITHM)
        return self.algorithms[name]


class TokenVerifier:
    """`account_claim` is a claim's name or a JSON pointer: see `claim_at`; `leeway` in seconds.

    `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        algorithms: Iterable[str],
        jwks: KeySource,
        *,
        account_claim: str = "sub",
        leeway: int = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        allowed = frozenset(algorithms)
        if not allowed or not allowed <= ALGORITHMS:
            raise ValueError(f"algorithms must be some of {', '.join(sorted(ALGORITHMS))}")
        if not issuer or not audience or not account_claim:
            raise ValueError("issuer, audience and account claim must be named")
        self._allowed = allowed
        self._registry = _Registry(allowed)
        self._keys = jwks
        self._account_claim = account_claim
        self._rules = JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=leeway,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )

    async def verify(self, token: str | bytes) -> Claims:
        """The token's claims; raises `Unauthenticated` or `IssuerUnavailable`, nothing else."""
        signed = self._read(token)
        header = signed.headers()
        await self._check_signature(signed, header.get("kid"), header["alg"])
        try:
            payload = read_object(signed.payload)
        except NotAnObject:
            raise Unauthenticated(TokenFault.MALFORMED) from None
        self._check_claims(payload)
        return read_claims(payload, self._account_claim)

    def principal(self, claims: Claims, account_header: str | None) -> UserPrincipal:
        """The caller; `account_header` is the value of X-Account-Id, if it was sent.

        A service names the account it acts for; anyone else who names one is refused, even if
        it is their own.
        """
        is_service = Scope.ACT_AS in claims.scopes
        if not is_service and account_header is not None:
            raise ActAsNotAllowed
        if is_service and account_header is None:
            raise AccountHeaderRequired
        if account_header is not None and not is_account_name(account_header):
            raise AccountHeaderMalformed
        subject = claims.subject if account_header is None else account_header
        return UserPrincipal(
            account_id=account_id(claims.issuer, subject),
            issuer=claims.issuer,
            subject=subject,
            scopes=claims.scopes,
            token_id=claims.token_id,
            issued_at=claims.issued_at,
            actor="service" if is_service else "user",
            acting_service=claims.subject if is_service else None,
        )

    def _read(self, token: str | bytes) -> jws.CompactSignature:
        """Take the token apart; raises `Unauthenticated` before any key is looked for."""
        if len(token) > MAX_TOKEN_BYTES:
            raise Unauthenticated(TokenFault.TOO_LARGE)
        try:
            text = token.encode("ascii") if isinstance(token, str) else token
            segments = text.split(b".")
            if len(segments) != _SEGMENTS:
                raise Unauthenticated(TokenFault.MALFORMED)
            self._check_header(read_object(urlsafe_b64decode(segments[0])))
            return jws.extract_compact(text, registry=self._registry)
        except (JoseError, ValueError):
            raise Unauthenticated(TokenFault.MALFORMED) from None

    def _check_header(self, header: Mapping[str, Any]) -> None:
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._allowed:
            raise Unauthenticated(TokenFault.ALGORITHM)
        # `crit` lists extensions that must be understood, and none is. That takes out `b64` too.
        if "crit" in header or not isinstance(header.get("kid", ""), str):
            raise Unauthenticated(TokenFault.MALFORMED)
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
            raise Unauthenticated(TokenFault.MALFORMED)

    async def _check_signature(
        self, signed: jws.CompactSignature, kid: str | None, algorithm: str
    ) -> None:
        """Try the published keys; once more if the issuer has changed them meanwhile.

        The second try is what picks up a rotation, also of an issuer that names its keys not at
        all or always the same.
        """
        candidates = await self._keys.find(kid, algorithm)
        if self._is_signed_by_one_of(candidates, signed):
            return
        if await self._keys.refresh():
            candidates = await self._keys.find(kid, algorithm)
            if self._is_signed_by_one_of(candidates, signed):
                return
        raise Unauthenticated(TokenFault.BAD_SIGNATURE if candidates else TokenFault.UNKNOWN_KEY)

    def _is_signed_by_one_of(
        self, candidates: Sequence[VerificationKey], signed: jws.CompactSignature
    ) -> bool:
        return any(self._is_signed_by(key, signed) for key in candidates[:_MAX_CANDIDATES])

    def _is_signed_by(self, key: VerificationKey, signed: jws.CompactSignature) -> bool:
        try:
            return jws.validate_compact(signed, key, registry=self._registry)
        except (JoseError, ValueError):
            return False

    def _check_claims(self, payload: Mapping[str, Any]) -> None:
        if "exp" not in payload:
            raise Unauthenticated(TokenFault.NO_EXPIRY)
        if not all(_is_time(payload[name]) for name in _TIMES if name in payload):
            raise Unauthenticated(TokenFault.MALFORMED)
        try:
            self._rules.validate(dict(payload))
        except ExpiredTokenError:
            raise Unauthenticated(TokenFault.EXPIRED) from None
        except ClaimError as error:
            raise Unauthenticated(_CLAIM_FAULTS.get(error.claim, TokenFault.MALFORMED)) from None


# joserfc names every missing claim in one error, with commas.
_CLAIM_FAULTS = {
    "iss": TokenFault.WRONG_ISSUER,
    "aud,iss": TokenFault.WRONG_ISSUER,
    "aud": TokenFault.WRONG_AUDIENCE,
    "nbf": TokenFault.NOT_YET_VALID,
    "iat": TokenFault.NOT_YET_VALID,
    "sub": TokenFault.NO_ACCOUNT,
}


def looks_like_jwt(token: str) -> bool:
    """Whether this has the form of a signed JWT; says nothing of its being one that holds."""
    head, *rest = token.split(".")
    try:
        return len(rest) == _SEGMENTS - 1 and "alg" in read_object(urlsafe_b64decode(head.encode()))
    except ValueError:
        return False


def _is_time(value: Any) -> bool:
    """A NumericDate (RFC 7519 section 2) that a clock could show; `True` is a number to Python."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= _LAST_SECOND
    )
