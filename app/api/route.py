"""The route class of the whole API: each route's declarations, and the checks made first."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from app.api.access import Access, access_of
from app.api.body_limit import allow_batches, allow_file, has_body
from app.api.fast_path import Endpoint, ExactRequest
from app.api.pipeline import MAX_IDEMPOTENCY_KEY, Check, Handler, Pipeline
from app.api.preconditions import is_conditional
from app.api.problems import joined, problems
from app.api.query_parameters import QueryNames, check_query_size
from app.api.unit_of_work import UnitOfWork
from app.auth.caller import Caller
from app.auth.errors import (
    AccountClosing,
    AccountHeaderMalformed,
    AccountHeaderRequired,
    MissingScope,
    Unauthenticated,
    WrongTokenKind,
)
from app.errors import (
    AppError,
    BodyTooLarge,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    RateLimited,
    RequestInProgress,
    Unavailable,
    UnsupportedMediaType,
)

Answering = Callable[[Request], Coroutine[Any, Any, Response]]


class EdgeRoute(APIRoute):
    """A route that declares who may call it (`app.api.access`).

    Checks run in this order: token (401, 403), names in the query (422, on users' routes only,
    since bots may be older than the service), media type (415), Idempotency-Key, then body and
    rules. The commit precedes the response; after a deadlock or serialization failure the request
    is retried.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.access = access_of(endpoint)
        scheme = "botToken" if self.access.for_bots else "userToken"
        extra = dict(options.get("openapi_extra") or {})
        extra["security"] = [{scheme: [str(scope) for scope in self.access.scopes]}]
        extra["parameters"] = _headers_at_the_edge(self.access)
        options["openapi_extra"] = extra
        own = options.get("responses") or {}
        reads = set(options.get("methods") or ()) <= {"GET"}
        usual = joined(problems(*self._usual_problems(path, reads=reads)), own)
        options["responses"] = joined(usual, problems(*self._problems_of_form(options)))
        super().__init__(path, endpoint, **options)
        if is_conditional(self.dependant):
            self.responses = joined(self.responses, problems(PreconditionFailed))
        if self.access.hot:
            self._answer_directly()

    def _usual_problems(self, path: str, *, reads: bool) -> Iterator[type[AppError]]:
        """Yield the problems that no router has to name.

        A router names `NotFound` itself if the object that may be missing is in the query or in the
        body.
        """
        yield from (Unauthenticated, MissingScope, WrongTokenKind, RateLimited, Unavailable)
        yield InvalidRequest
        if self.access.replayable:
            yield from (RequestInProgress, IdempotencyKeyReused)
        if not reads:
            yield OutcomeUnknown
        if "{" in path:
            yield NotFound

    def _problems_of_form(self, options: dict[str, Any]) -> Iterator[type[AppError]]:
        """Yield the refusals that precede the route's own checks."""
        if not self.access.for_bots:
            yield from (AccountHeaderRequired, AccountHeaderMalformed)
            if not self.access.while_closing:
                yield AccountClosing
        if not set(options.get("methods") or ()) <= {"GET", "DELETE"}:
            yield from (BodyTooLarge, UnsupportedMediaType)

    def _answer_directly(self) -> None:
        """Bypass the framework, except where only it can answer and for bodies other than JSON."""
        simple = Endpoint.simple(self.dependant)
        if simple is None:
            raise TypeError(
                f"{self.endpoint.__qualname__} is hot, and wants what only the solver has"
            )
        directly = self._at_the_edge(simple.answer)
        by_framework = self.app

        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            if has_body(scope) and not (simple.reads_body and _is_plain_json(request)):
                await by_framework(scope, receive, send)
            else:
                response = await directly(request)
                await response(scope, receive, send)

        self.app = answering

    def get_route_handler(self) -> Answering:
        handle = self._at_the_edge(super().get_route_handler())

        async def exactly(request: Request) -> Response:
            return await handle(ExactRequest(request.scope, request.receive))

        return exactly

    def _at_the_edge(self, handle: Handler) -> Answering:
        access, reads = self.access, self.methods == {"GET"}
        names = None if access.for_bots else QueryNames(self.dependant)
        check = _checks_of(names, batches=access.batches, files=access.files)

        def at_the_edge(request: Request) -> Coroutine[Any, Any, Response]:
            pipeline: Pipeline = request.app.state.pipeline
            return pipeline.answer(request, access=access, reads=reads, check=check, handle=handle)

        return at_the_edge


def _checks_of(names: QueryNames | None, *, batches: bool, files: tuple[str, ...]) -> Check:
    def check(request: Request) -> None:
        scope = request.scope
        if scope["query_string"]:
            check_query_size(scope["query_string"])
            if names is not None:
                names.check(request)
        if batches:
            allow_batches(scope)
        if files:
            allow_file(scope)
        _check_media_type(request, files)

    return check


def _headers_at_the_edge(access: Access) -> list[dict[str, Any]]:
    """Return the headers that the edge reads, for the OpenAPI document."""
    headers = []
    if not access.for_bots:
        headers.append(
            {
                "name": "X-Account-Id",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "description": "The account to act for. Only services whose token has the scope "
                "`act_as` may send it.",
            }
        )
    if access.replayable:
        headers.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_IDEMPOTENCY_KEY},
                "description": "Makes the request safe to repeat: a repeated request gets the "
                "response of the first.",
            }
        )
    return headers


def media_type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_media_type(request: Request, files: tuple[str, ...]) -> None:
    """Raise `UnsupportedMediaType` unless the body is unencoded JSON, or of one of the types
    `files`; an empty one without a type is none.
    """
    if has_body(request.scope) or files:
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType(files)
        media_type = media_type_of(request)
        if files:
            if media_type not in files:
                raise UnsupportedMediaType(files)
        elif media_type != "application/json" and not media_type.endswith("+json"):
            raise UnsupportedMediaType


def _is_plain_json(request: Request) -> bool:
    return request.headers.get("content-type", "").lower() in {
        "application/json",
        "application/json; charset=utf-8",
    }


async def work_of(request: Request) -> UnitOfWork:
    """Return the unit of work of this request, for the dependencies of the domains."""
    work: UnitOfWork = request.scope["state"]["work"]
    return work


CurrentWork = Annotated[UnitOfWork, Depends(work_of)]


async def caller_of(request: Request) -> Caller:
    """Return the authenticated caller of this request, for the dependencies of the domains."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


CurrentCaller = Annotated[Caller, Depends(caller_of)]
