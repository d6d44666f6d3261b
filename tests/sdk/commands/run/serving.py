"""A service over HTTP for programs that are started: custody, configuration, stream, heartbeats."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.sdk.client.conftest import Service, make_service

PATIENCE = 20.0


@dataclass
class ServedService:
    """A `Service` on a port of this machine. `change` changes the configuration and streams it."""

    service: Service
    url: str = ""
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    releases: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _version: int = 1

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/runtime/credentials", self._release, methods=["POST"]),
                Route("/v1/runtime/config", self._configure, methods=["GET"]),
                Route("/v1/runtime/heartbeat", self._beat, methods=["POST"]),
                Route("/v1/runtime/stream", self._stream, methods=["GET"]),
            ]
        )

    def change(self, **members: Any) -> None:
        with self._changed:
            self._version += 1
            self.service.config |= {"version": self._version, **members}
            self.service.etag = f'"{self._version}"'
            self._changed.notify_all()

    def until_heartbeats(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.heartbeats) >= count, PATIENCE)

    def reset(self) -> None:
        """Forget what an earlier test changed."""
        self.service.__dict__.update(make_service().__dict__ | {"token": self.service.token})
        self.service.lie = without_endpoints
        self.heartbeats.clear()
        self.releases = 0
        self.change()

    async def _release(self, request: Request) -> Response:
        self.releases += 1
        return await self.service.release(request)

    async def _configure(self, request: Request) -> Response:
        return await self.service.answer_config(request)

    async def _beat(self, request: Request) -> Response:
        refused = self.service.refusal(request)
        if refused is not None:
            return refused
        body = await request.body()
        with self._changed:
            self.heartbeats.append(json.loads(body))
            self._changed.notify_all()
        config = self.service.config
        answer = {
            "config_version": config["version"],
            "may_open_positions": config["may_open_positions"],
        }
        return JSONResponse(answer)

    async def _stream(self, request: Request) -> Response:
        refused = self.service.refusal(request)
        if refused is not None:
            return refused

        async def events() -> AsyncIterator[str]:
            sent = 0
            while self.service.problem is None and not await request.is_disconnected():
                if self._version != sent:
                    sent = self._version
                    document = json.dumps(self.service.config)
                    yield f"event: config\ndata: {document}\nid: {sent}\n\n"
                await asyncio.sleep(0.02)

        return StreamingResponse(events(), media_type="text/event-stream")


def without_endpoints(answer: dict[str, Any]) -> None:
    answer["endpoints"] = {"rest": None, "websocket": None}


@contextmanager
def serving() -> Iterator[ServedService]:
    """Serve in a thread until the block ends."""
    served = ServedService(make_service())
    served.service.lie = without_endpoints
    config = uvicorn.Config(
        served.app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ready = threading.Event()
    while not server.started:
        ready.wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    served.url = f"http://127.0.0.1:{port}"
    try:
        yield served
    finally:
        server.force_exit = server.should_exit = True
        thread.join(PATIENCE)
