"""The control port of a simulator in a process of its own: faults on request, and what was called.

    GET    /                 the addresses, and the kinds of faults
    GET    /faults           the active faults
    POST   /faults           add one: the parameters of `Faults.set`
    DELETE /faults           clear all, or those of ?exchange= and &environment=
    GET    /calls            how often each path was called, by exchange and environment

A page in a browser can use none of it but the two harmless GETs: a JSON body and DELETE need the
consent that CORS asks for, which nothing here gives.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.simulator import ids
from app.simulator.faults import Fault, FaultKind, Faults
from app.simulator.http_server import Request, Response
from app.simulator.simulator import Simulator

JSON = "application/json"


class _Order(BaseModel):
    """The body of `POST /faults`. Times are in seconds."""

    model_config = ConfigDict(extra="forbid")

    exchange: str
    environment: str
    kind: FaultKind
    times: int | None = Field(default=None, ge=1)
    path: str = ""
    status: int | None = Field(default=None, ge=100, le=599)
    seconds: float = Field(default=10.0, ge=0, le=3600)
    retry_after: int | None = Field(default=None, ge=0)
    code: str = "99999"
    message: str = ""


class Control:
    """Answers requests to the control port of one simulator. `about` is the document of `/`."""

    def __init__(self, simulator: Simulator, about: Mapping[str, Any]) -> None:
        self._simulator = simulator
        self._about = about
        self._routes = {
            ("GET", "/"): self._index,
            ("GET", "/faults"): self._list,
            ("POST", "/faults"): self._add,
            ("DELETE", "/faults"): self._clear,
            ("GET", "/calls"): self._calls,
        }

    @property
    def _faults(self) -> Faults:
        return self._simulator.faults

    async def answer(self, request: Request) -> Response:
        route = self._routes.get((request.method, request.path))
        if route is not None:
            return route(request)
        known = any(path == request.path for _, path in self._routes)
        return _refusal(405 if known else 404, "There is no such operation: GET / lists the paths.")

    def _index(self, _: Request) -> Response:
        paths = [f"{method} {path}" for method, path in self._routes]
        return _json(200, {**self._about, "paths": paths, "fault_kinds": list(FaultKind)})

    def _list(self, _: Request) -> Response:
        return _json(200, {"items": [asdict(fault) for fault in self._faults.active()]})

    def _add(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != JSON:
            return _refusal(415, f"The body must be {JSON}.")
        try:
            order = _Order.model_validate_json(request.body)
            fault: Fault = self._faults.set(**order.model_dump())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            return _refusal(422, f"{place}: {first['msg']}" if place else first["msg"])
        except ValueError as error:
            return _refusal(422, f"{error}.")
        return _json(201, asdict(fault))

    def _clear(self, request: Request) -> Response:
        query = parse_qs(request.query)
        exchange, environment = (query.get(name, [None])[0] for name in ("exchange", "environment"))
        if query.keys() - {"exchange", "environment"}:
            return _refusal(422, "Only exchange and environment narrow what is cleared.")
        if exchange is not None:
            try:
                ids.check(exchange, environment or ids.LIVE)
            except ValueError as error:
                return _refusal(422, f"{error}.")
        self._faults.clear(exchange, environment)
        return _json(200, {"items": [asdict(fault) for fault in self._faults.active()]})

    def _calls(self, _: Request) -> Response:
        return _json(
            200,
            {
                exchange: {
                    environment: dict(self._simulator.paths(exchange, environment))
                    for environment in environments
                }
                for exchange, environments in self._simulator.hosts.items()
            },
        )


def _json(status: int, document: Any) -> Response:
    return Response(status, orjson.dumps(document) + b"\n", {"content-type": JSON})


def _refusal(status: int, detail: str) -> Response:
    return _json(status, {"detail": detail})
