"""Declares, beside each route, who may call it; `EdgeRoute` enforces it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.auth.scopes import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])

_MARK = "__botkeys_access__"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route, and how the pipeline treats it.

    `action` names a write in the audit log; a refused one is recorded under the same name. A route
    that `reads_config` is for bots; its configuration rows (`bots.config_rows`) are read in one
    statement with the token, as is what a release is made of for the route that `releases`. One
    that `glances` gets the rows' fingerprint instead. An endpoint that `confirms` compares the
    token with the stored one itself, under locks that keep it, and before anything is changed: so
    that of a bot which called before need not be compared earlier.
    `replayable` writes accept an Idempotency-Key; their responses contain no secret, or are stored
    encrypted if the route `answers_secret`. Routes that work `while_closing` the account, and for
    tokens from before its closure, concern the operation that closes it, or check the account
    themselves. `scopes_of_query` are needed in addition where a query parameter has a value. No
    endpoint checks scopes itself: it is not called for a repeated request, whose stored response
    needs them as well.

    A `hot` route is called without the framework's solver of dependencies (`app.api.fast_path`).
    These are called most often, or take less time than the solver does.

    A `dear` read counts, sums or looks through many rows: an account has few of them at a time.

    A route that takes `batches` may be sent more than 64 KiB: up to the limit of the settings. One
    that takes a file of one of the media types `files` reads it piece by piece.

    A `paced` route is for bots, and called by thousands at once when a process has restarted: they
    are let in a few at a time (`app.api.admission`). An `unhurried` one is for bots, which call it
    when they are asked to: callers wait for one another for a moment (`app.api.gathering`).
    """

    for_bots: bool
    scopes: tuple[Scope, ...] = ()
    scopes_of_query: Mapping[tuple[str, str], Scope] = field(default_factory=dict)
    action: str | None = None
    replayable: bool = False
    answers_secret: bool = False
    reads_config: bool = False
    glances: bool = False
    confirms: bool = False
    releases: bool = False
    while_closing: bool = False
    hot: bool = False
    batches: bool = False
    dear: bool = False
    files: tuple[str, ...] = ()
    paced: bool = False
    unhurried: bool = False

    def scopes_for(self, query: Iterable[tuple[str, str]]) -> tuple[Scope, ...]:
        """Return the scopes that a request with these query parameters needs."""
        extra = (self.scopes_of_query[pair] for pair in query if pair in self.scopes_of_query)
        return (*self.scopes, *extra)


def for_users(
    *scopes: Scope,
    scopes_of_query: Mapping[tuple[str, str], Scope] | None = None,
    action: str | None = None,
    replayable: bool | None = None,
    answers_secret: bool = False,
    while_closing: bool = False,
    hot: bool = False,
    dear: bool = False,
    files: tuple[str, ...] = (),
) -> Callable[[Endpoint], Endpoint]:
    """Declare a route for users, and services on their behalf, whose token has all these scopes."""
    if replayable is None:
        replayable = action is not None
    return _mark(
        Access(
            for_bots=False,
            scopes=scopes,
            scopes_of_query=scopes_of_query or {},
            action=action,
            replayable=replayable,
            answers_secret=answers_secret,
            while_closing=while_closing,
            hot=hot,
            dear=dear,
            files=files,
        )
    )


def for_bots(
    *,
    action: str | None = None,
    reads_config: bool = False,
    glances: bool = False,
    confirms: bool = False,
    releases: bool = False,
    hot: bool = False,
    batches: bool = False,
    paced: bool = False,
    unhurried: bool = False,
) -> Callable[[Endpoint], Endpoint]:
    """Declare a route for bots, each for its own account and bot only."""
    return _mark(
        Access(
            for_bots=True,
            action=action,
            reads_config=reads_config,
            glances=glances,
            confirms=confirms,
            releases=releases,
            hot=hot,
            batches=batches,
            paced=paced,
            unhurried=unhurried,
        )
    )


def access_of(endpoint: Callable[..., Any]) -> Access:
    """Return the declaration of a route; one without is a mistake that is found at start."""
    access = getattr(endpoint, _MARK, None)
    if not isinstance(access, Access):
        raise TypeError(f"{endpoint.__qualname__} does not say who may call it")
    return access


def _mark(access: Access) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, access)
        return endpoint

    return mark
