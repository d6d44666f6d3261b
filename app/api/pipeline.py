"""What a request passes on its way to its endpoint and back. `app.pipeline` implements it."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from fastapi import Request, Response

from app.api.access import Access

Handler = Callable[[Request], Awaitable[Response]]
Check = Callable[[Request], None]

MAX_IDEMPOTENCY_KEY = 255


class Pipeline(Protocol):
    """One for a process; `main` puts it on the state of the application, as `pipeline`.

    It leaves in `request.state` what endpoints find through their dependencies: `work`, the
    `UnitOfWork`; `caller`; `write_slot` of a user's write; and `config_rows` of a bot, where the
    route reads its configuration.
    """

    def answer(
        self, request: Request, *, access: Access, reads: bool, check: Check, handle: Handler
    ) -> Coroutine[Any, Any, Response]:
        """Authenticate the caller, `check` the request, let `handle` work, commit, and return.

        `reads`: the route changes nothing. Whatever is refused is raised as an `AppError`.
        """
