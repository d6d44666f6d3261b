"""Calls an endpoint with values from path, query, headers and a JSON body.

The framework works out for each request what every parameter is, which for a list with seven
parameters takes as long as PostgreSQL does. Here that is done once, from the framework's own
description of the endpoint; its validators check the values, and its errors are raised.
"""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Self, get_type_hints

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.body_limit import ORDINARY, BodyOutOfBounds
from app.kit.bounded_json import OutOfBounds, loads

_PLAIN = (type(None), bool, int, str, Enum)
_UNUSED = (
    "cookie_params",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
    "own_oauth_scopes",
    "parent_oauth_scopes",
    "concurrency",
)


class _NotSimple(Exception):
    """The endpoint needs something that only the framework can provide."""


class _Parameter:
    """One optional or required value, which occurs once in path, query or headers."""

    def __init__(self, field: Any) -> None:
        info = field.field_info
        self.name: str = field.name
        self.alias: str = info.validation_alias or field.alias
        self.required: bool = info.is_required()
        self.default: Any = None if self.required else field.default
        self._location = (info.in_.value, self.alias)
        self._field = field
        if not isinstance(self.alias, str) or not isinstance(self.default, _PLAIN):
            raise _NotSimple
        if info.validate_default or not _is_scalar(field):
            raise _NotSimple

    def read(self, sent: Mapping[str, str], errors: list[Any]) -> Any:
        text = sent.get(self.alias)
        if text is None:
            if self.required:
                missing = {"type": "missing", "loc": self._location, "msg": "Field required"}
                errors.append({**missing, "input": None})
            return self.default
        value, faults = self._field.validate(text, {}, loc=self._location)
        errors.extend(faults)
        return value


def _is_scalar(field: Any) -> bool:
    """Return whether the value is made of one text: its schema accepts no list and no object."""
    schema = field._type_adapter.json_schema(mode="validation")  # noqa: SLF001  # has no public way
    kinds = schema.get("anyOf", [schema])
    return all(kind.get("type") not in {"array", "object"} for kind in kinds)


class _Body:
    """The single document that forms a request's body."""

    def __init__(self, field: Any) -> None:
        info = field.field_info
        self.name: str = field.name
        self._required: bool = info.is_required()
        self._default: Any = None if self._required else field.default
        self._field = field
        if getattr(info, "embed", None) or info.validate_default:
            raise _NotSimple

    async def read(self, request: Request, errors: list[Any]) -> Any:
        """Read and validate the body; raise at once if it is not JSON."""
        try:
            sent = await request.body()
        except ClientDisconnect as error:
            raise _unreadable() from error
        if not sent:
            if self._required:
                missing = {"type": "missing", "loc": ("body",), "msg": "Field required"}
                errors.append({**missing, "input": None})
            return self._default
        parsed = _parsed(sent)
        if len(sent) > ORDINARY:
            # Parsing and checking the largest batch take some 50 ms each: others go in between.
            await asyncio.sleep(0)
        value, faults = self._field.validate(parsed, {}, loc=("body",))
        errors.extend(faults)
        return value


def _parsed(sent: bytes) -> Any:
    """Parse the body like the framework, with the same errors."""
    try:
        return loads(sent)
    except json.JSONDecodeError as error:
        fault = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error"}
        raise RequestValidationError(
            [{**fault, "input": {}, "ctx": {"error": error.msg}}], body=error.doc
        ) from error
    except OutOfBounds as error:
        raise BodyOutOfBounds(error) from None
    except (ValueError, RecursionError) as error:
        raise _unreadable() from error


def _unreadable() -> HTTPException:
    return HTTPException(status_code=400, detail="There was an error parsing the body")


class ExactRequest(Request):
    """A request for the framework whose body is parsed as it is here."""

    async def json(self) -> Any:
        try:
            return loads(await self.body())
        except OutOfBounds as error:
            raise BodyOutOfBounds(error) from None


class Endpoint:
    """An endpoint, or one of its dependencies, with everything needed to call it.

    A body is read as JSON, whatever its media type.
    """

    def __init__(self, dependant: Dependant) -> None:
        if any(getattr(dependant, name) for name in _UNUSED) or not dependant.use_cache:
            raise _NotSimple
        if not inspect.iscoroutinefunction(dependant.call):  # `scope` concerns only generators
            raise _NotSimple
        self.call: Callable[..., Awaitable[Any]] = dependant.call
        self._request_name = dependant.request_param_name
        self._needs = [(need.name, Endpoint(need)) for need in dependant.dependencies]
        self._path = [_Parameter(field) for field in dependant.path_params]
        self._query = [_Parameter(field) for field in dependant.query_params]
        self._headers = [_Parameter(field) for field in dependant.header_params]
        bodies = [_Body(field) for field in dependant.body_params]
        if len(bodies) > 1 or any(need.reads_body for _, need in self._needs):
            raise _NotSimple
        self._body = bodies[0] if bodies else None
        self._wants_parameters = bool(self._path or self._query or self._headers)
        more = self._needs or self._wants_parameters or self._body
        self.alone = None if more else self._request_name
        """The name of its only argument, if that is the request."""

    @property
    def reads_body(self) -> bool:
        return self._body is not None

    @classmethod
    def simple(cls, dependant: Dependant) -> Self | None:
        """Return the endpoint if it can be called from here, else None."""
        if dependant.call is None:
            return None
        returned = get_type_hints(dependant.call).get("return")
        if not (inspect.isclass(returned) and issubclass(returned, Response)):
            return None
        try:
            return cls(dependant)
        except _NotSimple:
            return None

    async def answer(self, request: Request) -> Response:
        """Call the endpoint; raise `RequestValidationError` with every fault found."""
        errors: list[Any] = []
        arguments = await self.arguments(request, {}, errors)
        if self._body is not None:
            arguments[self._body.name] = await self._body.read(request, errors)
        if errors:
            raise RequestValidationError(errors)
        response: Response = await self.call(**arguments)
        return response

    async def arguments(
        self, request: Request, made: dict[Any, Any], errors: list[Any]
    ) -> dict[str, Any]:
        """Return its arguments without the body; `made` caches dependencies of this request."""
        values: dict[str, Any] = {}
        for name, need in self._needs:
            if need.call not in made:
                known = len(errors)
                if need.alone is None:
                    wanted = await need.arguments(request, made, errors)
                else:
                    wanted = {need.alone: request}
                if len(errors) > known:
                    continue
                made[need.call] = await need.call(**wanted)
            if name is not None:
                values[name] = made[need.call]
        if self._wants_parameters:
            self._read_parameters(request, values, errors)
        if self._request_name is not None:
            values[self._request_name] = request
        return values

    def _read_parameters(self, request: Request, values: dict[str, Any], errors: list[Any]) -> None:
        for parameter in self._path:
            values[parameter.name] = parameter.read(request.path_params, errors)
        if self._query:
            query = request.query_params
            for parameter in self._query:
                values[parameter.name] = parameter.read(query, errors)
        for parameter in self._headers:
            values[parameter.name] = parameter.read(request.headers, errors)
