"""Where errors become HTTP: problem documents (RFC 9457), for all routes and all failures."""

from datetime import datetime
from typing import Annotated, Any, NotRequired
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from typing_extensions import TypedDict

from app.api.schemas import public_message, safe_location
from app.db.failures import is_conflict, is_outage
from app.errors import (
    AppError,
    BodyTooLarge,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Unavailable,
    UnsupportedMediaType,
)
from app.kit.json_codec import dumps

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger("botkeys.problems")


class Fault(TypedDict):
    """A fault in one part of the request. It never repeats what was sent."""

    loc: Annotated[
        list[str | int],
        Field(
            description="The location: `body`, `query`, `path` or `header`, then the path to the "
            "part."
        ),
        Field(examples=[["body", "label"]]),
    ]
    type: Annotated[
        str, Field(description="The stable name of the fault, for programs.", examples=["missing"])
    ]
    msg: Annotated[str, Field(description="A sentence for people.", examples=["Field required"])]


class ProblemBot(TypedDict):
    """A bot that the problem concerns."""

    id: UUID
    name: Annotated[str, Field(examples=["Grid BTC"])]


class Problem(TypedDict):
    """The response to every request that fails (status 400 or more).

    The members after `request_id` depend on `code`. Later versions may add members and codes.
    """

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # Pydantic's own way

    type: Annotated[
        str,
        Field(
            description="`urn:botkeys:problem:` followed by the code.",
            examples=["urn:botkeys:problem:not_found"],
        ),
    ]
    title: Annotated[
        str,
        Field(
            description="A short text for people, the same for every problem with this code.",
            examples=["Not found"],
        ),
    ]
    status: Annotated[int, Field(description="The HTTP status.", examples=[404])]
    code: Annotated[str, Field(description="The stable name of the problem, for programs.")]
    detail: Annotated[str, Field(description="What is wrong and how to fix it, for people.")]
    request_id: Annotated[
        str,
        Field(
            description="Quote this id in questions about the request.",
            examples=["01938a5e-0000-7000-8000-000000000000"],
        ),
    ]
    errors: NotRequired[
        Annotated[list[Fault], Field(description="What is wrong with the request, part by part.")]
    ]
    reason: NotRequired[
        Annotated[
            str,
            Field(
                description="What is wrong with the token, why the exchange rejected the "
                "credentials, or why the instruments could not be fetched.",
                examples=["expired"],
            ),
        ]
    ]
    possible: NotRequired[
        Annotated[
            list[str],
            Field(
                description="The possible causes, if the exchange does not distinguish them.",
                examples=[["invalid_key", "ip_not_allowed", "permission"]],
            ),
        ]
    ]
    blocked_by: NotRequired[
        Annotated[
            list[str],
            Field(
                description="Every reason why the position may not be opened, in order; `code` is "
                "the first.",
                examples=[["bot_paused", "frozen"]],
            ),
        ]
    ]
    count: NotRequired[
        Annotated[int, Field(description="The number of open positions.", examples=[2])]
    ]
    max_leverage: NotRequired[
        Annotated[
            str, Field(description="The exchange's maximum, a decimal as text.", examples=["50"])
        ]
    ]
    margin_modes: NotRequired[
        Annotated[
            list[str],
            Field(description="The margin modes that the symbol supports.", examples=[["cross"]]),
        ]
    ]
    contract_types: NotRequired[
        Annotated[
            list[str],
            Field(
                description="The contract types that the exchange offers.", examples=[["linear"]]
            ),
        ]
    ]
    regions: NotRequired[
        Annotated[
            list[str],
            Field(description="The exchange's regions; empty if it has none.", examples=[["eea"]]),
        ]
    ]
    bot: NotRequired[
        Annotated[ProblemBot, Field(description="The bot that the key is assigned to.")]
    ]
    bots: NotRequired[
        Annotated[
            list[ProblemBot], Field(description="The bots that hold a position with this id.")
        ]
    ]
    key_id: NotRequired[
        Annotated[UUID | None, Field(description="The key that already has these credentials.")]
    ]
    key_ids: NotRequired[
        Annotated[list[UUID], Field(description="The ids that name no key of the account.")]
    ]
    symbol: NotRequired[
        Annotated[
            str, Field(description="The stored position's value.", examples=["BTC-USDT-SWAP"])
        ]
    ]
    side: NotRequired[
        Annotated[str, Field(description="The stored position's value.", examples=["long"])]
    ]
    operation_id: NotRequired[
        Annotated[UUID | None, Field(description="The operation that closes the account.")]
    ]
    operation_status: NotRequired[
        Annotated[str, Field(description="The status of the operation.", examples=["running"])]
    ]
    required: NotRequired[
        Annotated[
            str,
            Field(
                description="The scopes that the token lacks, separated by spaces.",
                examples=["keys:write"],
            ),
        ]
    ]
    expected: NotRequired[
        Annotated[
            str, Field(description="The required kind of token: `user` or `bot`.", examples=["bot"])
        ]
    ]
    limit: NotRequired[
        Annotated[
            int, Field(description="The largest accepted body, in bytes.", examples=[4_194_304])
        ]
    ]
    retry_after: NotRequired[
        Annotated[int, Field(description="Seconds to wait before trying again.", examples=[5])]
    ]
    now: NotRequired[Annotated[datetime, Field(description="The service's current time.")]]


def problem_document(error: AppError, request_id: str) -> dict[str, Any]:
    return {
        "type": f"urn:botkeys:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        "request_id": request_id,
        **error.members,
    }


def problem_response(error: AppError, request: Request) -> Response:
    request_id = request.scope.get("state", {}).get("request_id", "")
    return Response(
        dumps(problem_document(error, request_id)),
        status_code=error.status,
        headers=error.headers,
        media_type=MEDIA_TYPE,
    )


def validation_problem(error: RequestValidationError) -> InvalidRequest:
    """Keep where and what, drop what was sent: it may be a secret."""
    return InvalidRequest(
        [
            {
                "loc": safe_location(item["loc"], item["type"]),
                "type": item["type"],
                "msg": public_message(item["type"], item["msg"]),
            }
            for item in error.errors()
        ]
    )


def from_http_exception(error: HTTPException, request: Request) -> AppError:
    """The framework's own refusals, in our words."""
    if error.status_code == 404:
        return NotFound()
    if error.status_code == 405:
        return MethodNotAllowed()
    if error.status_code == 413:
        return BodyTooLarge(request.app.state.context.settings.body_limit)
    if error.status_code == 415:
        return UnsupportedMediaType()
    if error.status_code == 400:
        fault = {"loc": ["body"], "type": "json_invalid", "msg": "The body is not valid JSON"}
        return InvalidRequest([fault])
    return InternalError()


def from_exception(error: Exception) -> AppError:
    """What remains: the database is away, or the code is wrong."""
    if is_conflict(error):
        return Unavailable("Too many changes at once. Nothing was changed; try again.")
    if is_outage(error):
        return Unavailable()
    return InternalError()


def add_problem_handlers(app: FastAPI) -> None:
    async def app_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)  # noqa: S101  # registered for this class below
        return problem_response(error, request)

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return problem_response(validation_problem(error), request)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        known = from_http_exception(error, request)
        response = problem_response(known, request)
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        if known.status == MethodNotAllowed.status:
            response.headers["Allow"] = ", ".join(_allowed_methods(request))
        return response

    app.add_exception_handler(AppError, app_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)


def _allowed_methods(request: Request) -> list[str]:
    """Of all routes at this address: the framework names those of the first alone."""
    allowed: set[str] = set()
    for route in request.app.router.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            allowed |= route.methods or set()
    return sorted(allowed)


def problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: each problem that it may answer, told by code."""
    by_status: dict[int, list[type[AppError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {kind.code: {"value": _example(kind)} for kind in kinds},
                }
            },
        }
        for status, kinds in by_status.items()
    }


def told_together(
    usual: dict[int | str, dict[str, Any]], own: dict[int | str, dict[str, Any]]
) -> dict[int | str, dict[str, Any]]:
    """Both `responses`; a status that both have tells the problems of both, each once."""
    told = {**usual, **own}
    for status in usual.keys() & own.keys():
        mine, theirs = own[status], usual[status]
        examples = mine.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
        more = theirs["content"][MEDIA_TYPE]["examples"]
        if not examples or more.keys() <= examples.keys():
            continue
        content = {**mine["content"][MEDIA_TYPE], "examples": {**more, **examples}}
        told[status] = {
            **mine,
            "description": f"{mine['description']}; {theirs['description']}",
            "content": {**mine["content"], MEDIA_TYPE: content},
        }
    return told


def _example(kind: type[AppError]) -> dict[str, Any]:
    detail = kind.detail if kind.detail is not AppError.detail else kind.title + "."
    return {
        "type": f"urn:botkeys:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "detail": detail,
        "request_id": "01938a5e-0000-7000-8000-000000000000",
    }
