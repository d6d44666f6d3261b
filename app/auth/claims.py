"""Validates each claim of a token whose signature was verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import is_account_name
from app.auth.scopes import Scope, known_scopes

# Claims that may hold a service's own name: RFC 9068 puts it into `sub` and `client_id`.
_SERVICE_NAME_CLAIMS = ("sub", "client_id", "azp")


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that the service uses, all validated.

    `subject` names the account; for a service (scope `act_as`) it is the service's own name. Times
    are seconds since 1970, UTC. `token_id` is `jti` if that is a valid name, else `None`.
    """

    issuer: str
    subject: str
    scopes: frozenset[Scope]
    token_id: str | None
    issued_at: datetime | None
    not_before: float | None
    expires_at: float


def read_claims(payload: Mapping[str, Any], account_claim: str) -> Claims:
    """Read a payload whose issuer, audience and times are valid; raise `Unauthenticated`."""
    scopes = _scopes(payload)
    subject = _service_name(payload) if Scope.ACT_AS in scopes else claim_at(payload, account_claim)
    if not is_account_name(subject):
        raise Unauthenticated(TokenFault.NO_ACCOUNT)
    token_id = payload.get("jti")
    return Claims(
        issuer=payload["iss"],
        subject=subject,
        scopes=scopes,
        token_id=token_id if is_account_name(token_id) else None,
        issued_at=_moment(payload.get("iat")),
        not_before=payload.get("nbf"),
        expires_at=payload["exp"],
    )


def claim_at(payload: Mapping[str, Any], claim: str) -> Any:
    """Return the value of a claim, or `None`.

    A setting that begins with `/` is a JSON pointer into nested claims (RFC 6901:
    `/app_metadata/account`); any other is the name of one top-level claim, dots included
    (`https://example.com/account`). A setting is therefore never ambiguous.
    """
    if not claim.startswith("/"):
        return payload.get(claim)
    value: Any = payload
    for step in claim[1:].split("/"):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step.replace("~1", "/").replace("~0", "~"))
    return value


def _scopes(payload: Mapping[str, Any]) -> frozenset[Scope]:
    """Read `scope` (RFC 8693) or else `scp`, either a space-separated string or a list."""
    value = payload.get("scope")
    if value is None:
        value = payload.get("scp")
    if value is None:
        return frozenset()
    if isinstance(value, str):
        return known_scopes(value.split(" "))
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return known_scopes(value)
    raise Unauthenticated(TokenFault.MALFORMED)


def _service_name(payload: Mapping[str, Any]) -> Any:
    return next((payload[name] for name in _SERVICE_NAME_CLAIMS if name in payload), None)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
