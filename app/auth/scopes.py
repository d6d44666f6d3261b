"""The permissions that a user's or service's token can carry."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    BOTS_READ = "bots:read"
    BOTS_WRITE = "bots:write"
    DATA_READ = "data:read"
    DATA_WRITE = "data:write"
    DATA_DELETE = "data:delete"
    ACCOUNT_ADMIN = "account:admin"
    AUDIT_READ = "audit:read"
    ACT_AS = "act_as"


USER_SCOPES: frozenset[Scope] = frozenset(Scope) - {Scope.ACT_AS}


class UnknownScopes(ValueError):
    """Scopes were requested that do not exist. The message lists the valid ones."""

    def __init__(self, unknown: Iterable[str]) -> None:
        self.unknown = tuple(sorted(set(unknown)))
        super().__init__(
            f"unknown scopes: {' '.join(map(ascii, self.unknown))}; valid are: {' '.join(Scope)}"
        )


def known_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes that we define; an issuer's own (`openid`, `profile`) are ignored."""
    return frozenset(_BY_NAME[word] for word in words if word in _BY_NAME)


def exact_scopes(requested: str | Iterable[str]) -> frozenset[Scope]:
    """Return the requested scopes, given as names or one space-separated string.

    Raises `UnknownScopes` if any does not exist.
    """
    words = requested.split() if isinstance(requested, str) else list(requested)
    if unknown := [word for word in words if word not in _BY_NAME]:
        raise UnknownScopes(unknown)
    return known_scopes(words)


def in_order(scopes: Iterable[str]) -> str:
    """Return the scopes as OAuth writes them: space-separated, always in the same order."""
    return " ".join(sorted(scopes))


_BY_NAME = {scope.value: scope for scope in Scope}
