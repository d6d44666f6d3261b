"""Who may call a route, said beside the route and enforced by `EdgeRoute`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from app.auth.scopes import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])

_MARK = "__botkeys_access__"


@dataclass(frozen=True, slots=True)
class Access:
    """`action` names a write in the audit log; a refused one is recorded under the same name.

    A route that `reads_config` is for bots, and finds its rows (`bots.config_rows`) in its unit:
    token and situation are read together. `replayable` writes take an Idempotency-Key; their
    answers hold nothing secret. What is answered `while_closing` the account, and to tokens from
    before its closure, is about the operation that closes it, or looks for itself.
    """

    for_bots: bool
    scopes: tuple[Scope, ...] = ()
    action: str | None = None
    replayable: bool = False
    reads_config: bool = False
    while_closing: bool = False


def for_users(
    *scopes: Scope,
    action: str | None = None,
    replayable: bool | None = None,
    while_closing: bool = False,
) -> Callable[[Endpoint], Endpoint]:
    """A route for users, and services on their behalf, whose token carries all these scopes."""
    if replayable is None:
        replayable = action is not None
    return _mark(
        Access(
            for_bots=False,
            scopes=scopes,
            action=action,
            replayable=replayable,
            while_closing=while_closing,
        )
    )


def for_bots(
    *, action: str | None = None, reads_config: bool = False
) -> Callable[[Endpoint], Endpoint]:
    """A route for bots, each for its own account and bot alone."""
    return _mark(Access(for_bots=True, action=action, reads_config=reads_config))


def access_of(endpoint: Callable[..., Any]) -> Access:
    """What the route says; a route that says nothing is a mistake found at start."""
    access = getattr(endpoint, _MARK, None)
    if not isinstance(access, Access):
        raise TypeError(f"{endpoint.__qualname__} does not say who may call it")
    return access


def _mark(access: Access) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, access)
        return endpoint

    return mark
