"""The route class of the whole API: prove the caller, then one transaction, then the answer."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import stamina
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.api.access import Access, access_of
from app.api.fast_path import Endpoint, ExactRequest
from app.api.pipeline.authentication import authenticate
from app.api.pipeline.idempotency import MAX_KEY_LENGTH
from app.api.preconditions import is_conditional
from app.api.problems import from_http_exception, problems, told_together, validation_problem
from app.api.query_parameters import QueryNames
from app.api.unit_of_work import UnitOfWork
from app.auth.errors import AccountHeaderMalformed, AccountHeaderRequired
from app.context import Context
from app.db.failures import is_conflict
from app.domains.accounts.errors import AccountClosing
from app.errors import AppError, BodyTooLarge, PreconditionFailed, UnsupportedMediaType

ATTEMPTS = 5
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class EdgeRoute(APIRoute):
    """Each route must say who may call it (`app.api.access`).

    The order is: token (401, 403), names in the query (422, of users' routes: bots are older than
    the service), media type (415), Idempotency-Key, then body and rules. The commit comes before
    the answer leaves; a deadlock or serialisation failure is tried again.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.access = access_of(endpoint)
        scheme = "botToken" if self.access.for_bots else "userToken"
        extra = dict(options.get("openapi_extra") or {})
        extra["security"] = [{scheme: [str(scope) for scope in self.access.scopes]}]
        extra["parameters"] = _headers_at_the_edge(self.access)
        options["openapi_extra"] = extra
        own = options.get("responses") or {}
        options["responses"] = told_together(self._usual_problems(options), own)
        super().__init__(path, endpoint, **options)
        if is_conditional(self.dependant):
            self.responses = told_together(problems(PreconditionFailed), self.responses)
        if self.methods == {"GET"} or self.access.for_bots:
            self._answer_directly()

    def _usual_problems(self, options: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
        """What the edge itself refuses, so that no router has to say it."""
        usual: list[type[AppError]] = []
        if not self.access.for_bots:
            usual += [AccountHeaderRequired, AccountHeaderMalformed]
            if not self.access.while_closing:
                usual.append(AccountClosing)
        if not set(options.get("methods") or ()) <= {"GET", "DELETE"}:
            usual += [BodyTooLarge, UnsupportedMediaType]
        return problems(*usual)

    def _answer_directly(self) -> None:
        """Leave to the framework what only it can do, and bodies of other kinds than JSON."""
        simple = Endpoint.simple(self.dependant)
        if simple is None:
            return
        directly = self._at_the_edge(simple.answer)
        by_framework = self.app

        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            if _has_body(request) and not (simple.reads_body and _is_plain_json(request)):
                await by_framework(scope, receive, send)
            else:
                response = await directly(request)
                await response(scope, receive, send)

        self.app = answering

    def get_route_handler(self) -> Handler:
        handle = self._at_the_edge(super().get_route_handler())

        async def exactly(request: Request) -> Response:
            return await handle(ExactRequest(request.scope, request.receive))

        return exactly

    def _at_the_edge(self, handle: Handler) -> Handler:
        access = self.access
        names = None if access.for_bots else QueryNames(self.dependant)
        reads = self.methods == {"GET"}

        async def at_the_edge(request: Request) -> Response:
            context: Context = request.app.state.context
            database = context.database
            work = UnitOfWork(
                context, access, database.read_sessions if reads else database.sessions
            )
            request.state.work = work
            try:
                return await _answer(request, work, names, handle)
            except (AppError, RequestValidationError, HTTPException) as error:
                known = _in_our_words(error, request)
                context.metrics.refusals.labels(known.code).inc()
                await work.refuse(known)
                raise known from None
            except BaseException:
                await work.abandon()
                raise
            finally:
                await work.close()

        return at_the_edge


def _headers_at_the_edge(access: Access) -> list[dict[str, Any]]:
    """The headers that no endpoint names because they are read here, for the OpenAPI document."""
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
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
                "description": "Makes the request safe to repeat: a repeated request gets the "
                "response of the first.",
            }
        )
    return headers


async def _answer(
    request: Request, work: UnitOfWork, names: QueryNames | None, handle: Handler
) -> Response:
    await authenticate(request, work)
    if names is not None:
        names.check(request)
    _check_media_type(request)
    if work.access.action is None or work.access.for_bots:
        return await _in_turn(request, work, handle)
    async with work.context.write_limiter.slot(work.caller.account_id) as work.write_slot:
        return await _in_turn(request, work, handle)


async def _in_turn(request: Request, work: UnitOfWork, handle: Handler) -> Response:
    stored = await work.claim(request)
    if stored is not None:
        return stored
    try:
        return await _attempt(request, work, handle)
    except Exception as error:
        if not is_conflict(error):
            raise
    async for attempt in stamina.retry_context(
        on=is_conflict,
        attempts=ATTEMPTS - 1,
        timeout=5,
        wait_initial=0.005,
        wait_max=0.2,
        wait_jitter=0.05,
    ):
        with attempt:
            await work.rollback()
            response = await _attempt(request, work, handle)
    return response


async def _attempt(request: Request, work: UnitOfWork, handle: Handler) -> Response:
    response = await handle(request)
    await work.commit(response)
    return response


def _in_our_words(
    error: AppError | RequestValidationError | HTTPException, request: Request
) -> AppError:
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        return validation_problem(error)
    return from_http_exception(error, request)


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return length not in ("", "0") or "transfer-encoding" in request.headers


def _check_media_type(request: Request) -> None:
    """A body must be JSON, as it is. One without a type and without content is no body."""
    if _has_body(request):
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise UnsupportedMediaType


def _is_plain_json(request: Request) -> bool:
    return request.headers.get("content-type", "").lower() in {
        "application/json",
        "application/json; charset=utf-8",
    }


async def work_of(request: Request) -> UnitOfWork:
    """The unit of work of this request, for the dependencies of the domains."""
    work: UnitOfWork = request.state.work
    return work


CurrentWork = Annotated[UnitOfWork, Depends(work_of)]
