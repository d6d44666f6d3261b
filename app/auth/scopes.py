"""What a user's or a service's token may allow."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    BOTS_READ = "bots:read"
    BOTS_WRITE = "bots:write"
    DATA_READ = "data:read"
    DATA_DELETE = "data:delete"
    ACCOUNT_ADMIN = "account:admin"
    AUDIT_READ = "audit:read"
    ACT_AS = "act_as"


USER_SCOPES: frozenset[Scope] = frozenset(Scope) - {Scope.ACT_AS}


class UnknownScopes(ValueError):
    """Asked for scopes that do not exist. The text names those that do."""

    def __init__(self, unknown: Iterable[str]) -> None:
        self.unknown = tuple(sorted(set(unknown)))
        super().__init__(
            f"unknown scopes: {' '.join(map(ascii, self.unknown))}; valid are: {' '.join(Scope)}"
        )


def known_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """Those of ours. An issuer's own (`openid`, `profile`) mean nothing here and are left out."""
    return frozenset(_BY_NAME[word] for word in words if word in _BY_NAME)


def exact_scopes(asked: str | Iterable[str]) -> frozenset[Scope]:
    """The scopes asked for, as names or as one text with spaces; `UnknownScopes` if any is not."""
    words = asked.split() if isinstance(asked, str) else list(asked)
    if unknown := [word for word in words if word not in _BY_NAME]:
        raise UnknownScopes(unknown)
    return known_scopes(words)


def in_order(scopes: Iterable[str]) -> str:
    """As OAuth writes them, with spaces, and always in the same order."""
    return " ".join(sorted(scopes))


_BY_NAME = {scope.value: scope for scope in Scope}
