"""The protocol of what surrounds an endpoint. `app.pipeline` implements it."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from fastapi import Request, Response

from app.api.access import Access

Handler = Callable[[Request], Awaitable[Response]]
Check = Callable[[Request], None]

MAX_IDEMPOTENCY_KEY = 255


class Pipeline(Protocol):
    """What surrounds every endpoint: one per process; `main` stores it in the application's state.

    In the state of the request it leaves what endpoints get through their dependencies: `work`, the
    `UnitOfWork`; `caller`; `write_slot` and `dear_place` of a user's write; `config_rows` of a bot,
    if the route reads its configuration, or `config_glance`; and on a paced route `admitted_at`,
    before they were read.
    """

    def answer(
        self, request: Request, *, access: Access, reads: bool, check: Check, handle: Handler
    ) -> Coroutine[Any, Any, Response]:
        """Authenticate the caller, `check` the request, let `handle` work, commit, and return.

        `reads`: the route changes nothing. Refusals are raised as `AppError`.
        """
