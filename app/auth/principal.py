"""The caller, once proved."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal, TypeGuard
from uuid import NAMESPACE_URL, UUID, uuid5

from app.auth.errors import MissingScope
from app.auth.scopes import Scope

MAX_NAME_LENGTH = 255

# Control, format, surrogate, line and paragraph separator: what cannot be seen in an audit entry,
# what turns the text around in it, and what UTF-8 has no bytes for.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """A user, or a service on the user's behalf.

    `subject` is the value that names the account: of the account claim, or of X-Account-Id.
    `issued_at` is `None` where the issuer does not tell: such a token counts as older than any
    closure of the account. `acting_service` is the service's own name where `actor` is `service`.
    """

    account_id: UUID
    issuer: str
    subject: str
    scopes: frozenset[Scope]
    token_id: str | None
    issued_at: datetime | None
    actor: Literal["user", "service"]
    acting_service: str | None

    def require(self, *scopes: Scope) -> None:
        """Raise `MissingScope` unless the token carries all of them."""
        if missing := frozenset(scopes) - self.scopes:
            raise MissingScope(missing)


@dataclass(frozen=True, slots=True)
class BotPrincipal:
    """`token_hash` is the stored hash that the token was proved by: a later one is another's."""

    account_id: UUID
    bot_id: UUID
    token_hash: bytes = field(repr=False)


@lru_cache(maxsize=2048)
def account_id(issuer: str, claim: str) -> UUID:
    """The account's id in the database: UUIDv5 of the claim, in the issuer's own namespace."""
    return uuid5(uuid5(NAMESPACE_URL, issuer), claim)


def is_account_name(value: object) -> TypeGuard[str]:
    """Whether this can name an account: text of 1 to 255 characters, visible at both ends.

    Numbers are refused: 1, 1.0 and 1e0 are one number and three texts.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_LENGTH
        and value == value.strip()
        and not any(unicodedata.category(character) in _INVISIBLE for character in value)
    )
