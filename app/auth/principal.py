"""Authenticated principals: users, services and bots."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal, TypeGuard
from uuid import NAMESPACE_URL, UUID, uuid5

from app.auth.errors import MissingScope
from app.auth.scopes import Scope

MAX_NAME_LENGTH = 255

# Control, format, surrogate, line and paragraph separators: characters that are invisible in an
# audit entry, reverse its text, or have no UTF-8 form.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """A user, or a service on the user's behalf.

    `subject` is the value that names the account, from the account claim or X-Account-Id.
    `issued_at` is `None` if the token has no `iat`: such a token counts as older than any closure
    of the account. `acting_service` is the service's own name if `actor` is `service`. A user who
    signed in to the dashboard has the `session_id`, and no token. At `expires_at`, in seconds since
    1970, streams that the token or the session opened end.
    """

    account_id: UUID
    issuer: str
    subject: str
    scopes: frozenset[Scope]
    token_id: str | None
    issued_at: datetime | None
    actor: Literal["user", "service"]
    acting_service: str | None
    session_id: UUID | None = None
    expires_at: float | None = None

    def require(self, *scopes: Scope) -> None:
        """Raise `MissingScope` unless the token carries all of the scopes."""
        if missing := frozenset(scopes) - self.scopes:
            raise MissingScope(missing)


@dataclass(frozen=True, slots=True)
class BotPrincipal:
    """A bot, authenticated by the stored hash `token_hash`; a later hash is another token's."""

    account_id: UUID
    bot_id: UUID
    token_hash: bytes = field(repr=False)


@lru_cache(maxsize=2048)
def account_id(issuer: str, claim: str) -> UUID:
    """Return the account's id: UUIDv5 of the claim in the issuer's own namespace."""
    return uuid5(uuid5(NAMESPACE_URL, issuer), claim)


def is_account_name(value: object) -> TypeGuard[str]:
    """Return whether this can name an account: 1 to 255 characters, visible at both ends.

    Numbers are rejected: 1, 1.0 and 1e0 are one number but three different texts.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_LENGTH
        and value == value.strip()
        and not any(unicodedata.category(character) in _INVISIBLE for character in value)
    )
