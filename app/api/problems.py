"""Turns errors into HTTP: problem documents (RFC 9457), for all routes and all failures."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from app.api.body_limit import BodyOutOfBounds, body_limit
from app.api.known_names import members_at, no_such, resembling
from app.api.problem_schema import example_members
from app.api.schemas import public_message, safe_location
from app.db.failures import is_conflict, is_outage
from app.errors import (
    MOST_FAULTS,
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
    state = request.scope.setdefault("state", {})
    state["problem_code"] = error.code
    request_id = state.get("request_id", "")
    response = Response(
        dumps(problem_document(error, request_id)),
        status_code=error.status,
        headers=error.headers,
        media_type=MEDIA_TYPE,
    )
    for cookie in error.cookies:
        response.headers.append("Set-Cookie", cookie)
    return response


def validation_problem(error: RequestValidationError, request: Request) -> InvalidRequest:
    """Keep where and what, but drop what was sent: it may be a secret."""
    route = request.scope.get("route")
    found = error.errors()
    listed = [
        {
            "loc": safe_location(item["loc"], item["type"]),
            "type": item["type"],
            "msg": _unknown_member(item["loc"], route)
            if item["type"] == "extra_forbidden"
            else public_message(item["type"], item["msg"]),
        }
        for item in found[:MOST_FAULTS]
    ]
    return InvalidRequest(listed, unlisted=len(found) - len(listed))


def _unknown_member(loc: tuple[Any, ...], route: Any) -> str:
    """Return the sentence for a member that its object does not have."""
    field = getattr(route, "body_field", None)
    known = set() if field is None else members_at(field.field_info.annotation, loc[1:-1])
    return no_such("member", resembling(str(loc[-1]), known), known)


_BY_STATUS: dict[int, type[AppError]] = {
    kind.status: kind for kind in (NotFound, MethodNotAllowed, UnsupportedMediaType)
}


def from_http_exception(error: HTTPException, request: Request) -> AppError:
    """Return the framework's own error as one of ours."""
    if isinstance(error, BodyOutOfBounds):
        return InvalidRequest([error.fault])
    if error.status_code == 413:
        return BodyTooLarge(body_limit(request.scope))
    if error.status_code == 400:
        fault = {"loc": ["body"], "type": "json_invalid", "msg": "The body is not valid JSON"}
        return InvalidRequest([fault])
    return _BY_STATUS.get(error.status_code, InternalError)()


def from_exception(error: Exception) -> AppError:
    """Return the error for everything else: a database outage, or a bug."""
    if is_conflict(error):
        return Unavailable("Too many concurrent changes. Nothing was changed; try again.")
    if is_outage(error):
        return Unavailable()
    return InternalError()


def add_problem_handlers(app: FastAPI) -> None:
    async def app_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)  # noqa: S101  # registered for this class below
        return problem_response(error, request)

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return problem_response(validation_problem(error, request), request)

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
    """Return the methods of all routes at this address; the framework lists only one route's."""
    allowed: set[str] = set()
    for route in request.app.router.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            allowed |= route.methods or set()
    return sorted(allowed)


def problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route: the problems that it may return, by status and code."""
    by_status: dict[int, list[type[AppError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            # Several classes may share a code and its title.
            "description": "; ".join(
                dict.fromkeys(f"`{kind.code}`: {kind.title}" for kind in kinds)
            ),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {kind.code: {"value": _example(kind)} for kind in kinds},
                }
            },
        }
        for status, kinds in by_status.items()
    }


Responses = dict[int | str, dict[str, Any]]
"""The possible responses of a route by status, in FastAPI's form."""


def joined(first: Responses, second: Responses) -> Responses:
    """Return both; a status in both lists the problems of both, each once."""
    all_of = {**second, **first}
    for status in first.keys() & second.keys():
        one, other = first[status], second[status]
        examples = one.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
        more = other["content"][MEDIA_TYPE]["examples"]
        if not examples or more.keys() <= examples.keys():
            continue
        content = {**one["content"][MEDIA_TYPE], "examples": {**more, **examples}}
        all_of[status] = {
            **one,
            "description": f"{one['description']}; {other['description']}",
            "content": {**one["content"], MEDIA_TYPE: content},
        }
    return all_of


def _example(kind: type[AppError]) -> dict[str, Any]:
    detail = kind.detail if kind.detail is not AppError.detail else kind.title + "."
    return {
        "type": f"urn:botkeys:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "detail": detail,
        "request_id": "01938a5e-0000-7000-8000-000000000000",
        **example_members(kind),
    }
