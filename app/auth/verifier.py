"""Verification of users' and services' tokens: JWTs of one issuer (RFC 7519, RFC 8725)."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from joserfc.errors import ClaimError, ExpiredTokenError
from joserfc.jws import CompactSignature
from joserfc.jwt import JWTClaimsRegistry

from app.auth.claims import Claims, read_claims
from app.auth.errors import (
    AccountHeaderMalformed,
    AccountHeaderRequired,
    ActAsNotAllowed,
    IssuerUnavailable,
    TokenFault,
    Unauthenticated,
)
from app.auth.key_sets import ALGORITHMS, KeySource, VerificationKey
from app.auth.principal import UserPrincipal, account_id, is_account_name
from app.auth.scopes import Scope
from app.auth.signed_token import TYPES, CompactReader, as_ascii
from app.auth.strict_json import NotAnObject, read_object
from app.auth.token_cache import VerifiedToken, VerifiedTokens

# The end of the year 9999. A later time is probably in milliseconds by mistake.
_LAST_SECOND = 253_402_300_799
_TIMES = ("exp", "nbf", "iat")
# The most keys tried for one token: a token without `kid` fits every key of its type.
_MAX_CANDIDATES = 10
# joserfc lists all missing claims in one error, separated by commas.
_CLAIM_FAULTS = {
    "iss": TokenFault.WRONG_ISSUER,
    "aud,iss": TokenFault.WRONG_ISSUER,
    "aud": TokenFault.WRONG_AUDIENCE,
    "nbf": TokenFault.NOT_YET_VALID,
    "iat": TokenFault.NOT_YET_VALID,
    "sub": TokenFault.NO_ACCOUNT,
}


Admission = Callable[[Callable[[], str | None]], None]
"""Decides whether a signature is verified, which is costly; raises otherwise. Its argument returns
the account or service that the token claims.
"""


def admit_all(claimed: Callable[[], str | None]) -> None:
    del claimed


class TokenVerifier:
    """A verifier of the tokens of one issuer.

    `account_claim` is a claim's name or a JSON pointer: see `claim_at`; `leeway` is in seconds.
    `types` are the accepted values of the header `typ`, in which JWT also stands for none.
    `longest_life`: seconds from `iat`, or from now without it, to the latest accepted `exp`.
    `clock` returns seconds since 1970.
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
        types: Iterable[str] = TYPES,
        longest_life: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        allowed = frozenset(algorithms)
        if not allowed or not allowed <= ALGORITHMS:
            raise ValueError(f"algorithms must be some of {', '.join(sorted(ALGORITHMS))}")
        if not issuer or not audience or not account_claim:
            raise ValueError("issuer, audience and account claim are required")
        self._reader = CompactReader(allowed, types)
        self._longest_life = longest_life
        self._keys = jwks
        self._account_claim = account_claim
        self._leeway = leeway
        self._clock = clock
        self._verified = VerifiedTokens()
        self._issuer = issuer
        self._audience = audience
        self._rules = self._rules_at(lambda: int(clock()))

    async def verify(self, token: str | bytes, admit: Admission = admit_all) -> Claims:
        """Return the token's claims; raise only `Unauthenticated`, `IssuerUnavailable` or what
        `admit` raises.

        `admit` is asked before each attempt to verify a signature, never for a token that was
        verified before.
        """
        text = as_ascii(token)
        known = self._verified.get(text)
        if known is not None and known.key in await self._keys.find(known.kid, known.algorithm):
            self._check_age(known.claims)
            return known.claims
        signed = self._reader.read(text)
        kid, algorithm = signed.headers().get("kid"), signed.headers()["alg"]
        key = await self._find_signing_key(signed, kid, algorithm, admit)
        claims = read_claims(self._checked_payload(signed), self._account_claim)
        self._verified.remember(text, VerifiedToken(claims, key, kid, algorithm))
        return claims

    async def payload(self, token: str | bytes) -> dict[str, Any]:
        """Return all that a token says, once signature, issuer, audience and times are verified.

        It is not kept: for tokens that are used once. Raises as `verify` does.
        """
        signed = self._reader.read(as_ascii(token))
        kid, algorithm = signed.headers().get("kid"), signed.headers()["alg"]
        await self._find_signing_key(signed, kid, algorithm, admit_all)
        return self._checked_payload(signed)

    async def reached_issuer(self) -> bool:
        """Return whether the issuer's keys were ever fetched; try it if they were not."""
        return await self._keys.reached()

    def principal(self, claims: Claims, account_header: str | None) -> UserPrincipal:
        """Return the caller; `account_header` is the value of X-Account-Id, if it was sent.

        A service must name the account it acts for; any other caller that sends the header is
        rejected, even if it names its own account.
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
            expires_at=claims.expires_at,
        )

    async def _find_signing_key(
        self, signed: CompactSignature, kid: str | None, algorithm: str, admit: Admission
    ) -> VerificationKey:
        """Try the published keys, and once more if the issuer has changed them in the meantime.

        The second attempt is what picks up a rotation, even if the issuer's keys have no names or
        always the same name.
        """
        candidates = await self._keys.find(kid, algorithm)
        admit(partial(self._claimed_subject, signed))
        key = self._first_that_signed(candidates, signed)
        if key is None and await self._keys.refresh():
            candidates = await self._keys.find(kid, algorithm)
            admit(partial(self._claimed_subject, signed))
            key = self._first_that_signed(candidates, signed)
        if key is None:
            retry_after = None if candidates else self._keys.undecided()
            if retry_after is not None:
                raise IssuerUnavailable(retry_after=retry_after)
            fault = TokenFault.BAD_SIGNATURE if candidates else TokenFault.UNKNOWN_KEY
            raise Unauthenticated(fault)
        return key

    def _first_that_signed(
        self, candidates: Sequence[VerificationKey], signed: CompactSignature
    ) -> VerificationKey | None:
        tried = candidates[:_MAX_CANDIDATES]
        return next((key for key in tried if self._reader.is_signed_by(key, signed)), None)

    async def payload_of_late(self, token: str | bytes, longest: float) -> dict[str, Any]:
        """Return all that a token says that was issued at most `longest` seconds ago.

        It may have expired since: it shows that its subject signed in then. Raises as `verify`
        does.
        """
        signed = self._reader.read(as_ascii(token))
        kid, algorithm = signed.headers().get("kid"), signed.headers()["alg"]
        await self._find_signing_key(signed, kid, algorithm, admit_all)
        try:
            payload = read_object(signed.payload)
        except NotAnObject:
            raise Unauthenticated(TokenFault.MALFORMED) from None
        issued_at: Any = payload.get("iat")
        if not _is_time(issued_at):
            raise Unauthenticated(TokenFault.MALFORMED)
        age = self._clock() - issued_at
        if age < -self._leeway:
            raise Unauthenticated(TokenFault.NOT_YET_VALID)
        if age > longest + self._leeway:
            raise Unauthenticated(TokenFault.EXPIRED)
        self._check_claims(payload, self._rules_at(lambda: int(issued_at)))
        return payload

    def _checked_payload(self, signed: CompactSignature) -> dict[str, Any]:
        try:
            payload = read_object(signed.payload)
        except NotAnObject:
            raise Unauthenticated(TokenFault.MALFORMED) from None
        self._check_claims(payload)
        return payload

    def _claimed_subject(self, signed: CompactSignature) -> str | None:
        """Return whom a token names that is not verified yet; `None` if that cannot be read."""
        try:
            return read_claims(read_object(signed.payload), self._account_claim).subject
        except (NotAnObject, Unauthenticated, KeyError, ValueError, TypeError, OverflowError):
            return None

    def _rules_at(self, now: Callable[[], int]) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            now=now,
            leeway=self._leeway,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
        )

    def _check_claims(
        self, payload: Mapping[str, Any], rules: JWTClaimsRegistry | None = None
    ) -> None:
        if "exp" not in payload:
            raise Unauthenticated(TokenFault.NO_EXPIRY)
        if not all(_is_time(payload[name]) for name in _TIMES if name in payload):
            raise Unauthenticated(TokenFault.MALFORMED)
        try:
            (rules or self._rules).validate(dict(payload))
        except ExpiredTokenError:
            raise Unauthenticated(TokenFault.EXPIRED) from None
        except ClaimError as error:
            raise Unauthenticated(_CLAIM_FAULTS.get(error.claim, TokenFault.MALFORMED)) from None
        if self._longest_life is not None:
            begins = payload.get("iat", self._clock())
            if payload["exp"] - begins > self._longest_life + self._leeway:
                raise Unauthenticated(TokenFault.LIVES_TOO_LONG)

    def _check_age(self, claims: Claims) -> None:
        """Check what time alone can change about a token that was valid before."""
        now = int(self._clock())
        if claims.expires_at <= now - self._leeway:
            raise Unauthenticated(TokenFault.EXPIRED)
        if claims.not_before is not None and claims.not_before > now + self._leeway:
            raise Unauthenticated(TokenFault.NOT_YET_VALID)


def _is_time(value: Any) -> bool:
    """Return whether this is a plausible NumericDate (RFC 7519 section 2); `True` is no number."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= _LAST_SECOND
    )
