"""A miniature service behind a real socket, that keeps what bots report and can be down."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.http_server import connections, http_server

NO_ROUTE = ({"code": "not_found", "detail": "No such route."}, 404)


@dataclass
class Books:
    """What arrived: `received` counts each record as often as it was sent, `stored` keeps the first
    of each id, as the service does.
    """

    url: str = ""
    down: bool = False
    received: Counter[str] = field(default_factory=Counter)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    positions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: int = 0
    """Calls during the outage."""

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/runtime/positions/{name}", self.position, methods=["PUT"]),
                Route("/v1/runtime/{kind}", self.records, methods=["GET", "POST"]),
            ]
        )

    async def position(self, request: Request) -> Response:
        body = json.loads(await request.body())
        if self.down:
            return self._away()
        name = request.path_params["name"]
        known = self.positions.setdefault(name, {"revision": 0})
        if body["revision"] >= known["revision"]:
            known |= {"id": name, **body}
        return JSONResponse(known)

    async def records(self, request: Request) -> Response:
        kind, content = request.path_params["kind"], await request.body()
        if self.down:
            return self._away()
        if kind == "heartbeat":
            return JSONResponse({"config_version": 1, "may_open_positions": True})
        if request.method == "GET":
            return JSONResponse(*NO_ROUTE)
        verdicts = []
        for item in json.loads(content)["items"]:
            name = f"{kind}/{item['id']}"
            self.received[name] += 1
            new = self.stored.setdefault(name, item) is item
            verdicts.append({"id": item["id"], "status": "stored" if new else "duplicate"})
        return JSONResponse({"results": verdicts})

    def _away(self) -> Response:
        self.refused += 1
        return JSONResponse({"code": "unavailable", "detail": "Later."}, 503)


@contextmanager
def opened_books() -> Iterator[Books]:
    books = Books()
    with http_server(books.app, connections()) as server:
        books.url = "http://{}:{}".format(*server.address)
        yield books
