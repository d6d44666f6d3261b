"""The routes that a running bot calls, in memory; responses can be replaced, calls are recorded."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from botkeys.client import BotClient, Pace
from botkeys.exchanges.model import CredentialReport, Permissions
from botkeys.transport.client import ASGITransport, HttpTransport, Rate, TransportLimits
from tests.sdk.client.conftest import Service
from tests.sdk.client.skipping import now

LIMITS = TransportLimits(attempts=1, rate_per_host=Rate(10_000, 1.0))
NO_SUCH_ROUTE = (404, {"code": "not_found", "detail": "No such route."})


class _Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


def answer(status: int, document: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a response as it comes from the network: not read yet."""
    return httpx.Response(status, headers=headers, stream=_Body(json.dumps(document).encode()))


class Connected(httpx.AsyncByteStream):
    """One connected reader of the stream: `send` text, `cut` the connection, `end` it properly."""

    def __init__(self, last_event_id: str | None) -> None:
        self.at = now()
        self.last_event_id = last_event_id
        self.closed = asyncio.Event()
        self._pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    def send(self, text: str) -> None:
        self._pieces.put_nowait(text.encode())

    def cut(self) -> None:
        self._pieces.put_nowait(httpx.ReadError("cut off"))

    def end(self) -> None:
        self._pieces.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aclose(self) -> None:
        self.closed.set()


@dataclass(frozen=True, slots=True)
class Call:
    at: float
    method: str
    path: str
    body: Any
    headers: httpx.Headers


@dataclass
class Runtime(httpx.AsyncBaseTransport):
    """`faults` maps the last part of a path to the status and body to send instead."""

    service: Service
    faults: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    down: bool = False
    retry_after: str | None = None
    on_call: Callable[[], object] = lambda: None  # once, while a call is in flight
    calls: list[Call] = field(default_factory=list)
    streams: list[Connected] = field(default_factory=list)
    positions: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)  # by kind and id
    # ids of records, and the code that refuses them
    refuses: dict[str, str] = field(default_factory=dict)
    answers_get_lost: bool = False
    held_until: str | None = "2126-11-22T12:00:00Z"
    connected: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        last = request.url.path.rpartition("/")[2]
        content = await request.aread()
        body = json.loads(content) if content else None
        self.calls.append(Call(now(), request.method, request.url.path, body, request.headers))
        on_call, self.on_call = self.on_call, lambda: None
        on_call()
        if self.down:
            raise httpx.ConnectError("down")
        kind = "positions" if "/positions/" in request.url.path else last
        if kind in self.faults:
            status, problem = self.faults[kind]
            stated = {} if self.retry_after is None else {"retry-after": self.retry_after}
            return answer(status, problem, stated)
        match kind:
            case "stream":
                return await self._open_stream(request)
            case "heartbeat":
                version = self.service.config["version"]
                return answer(200, {"config_version": version, "may_open_positions": True})
            case "positions" | "orders":
                listed = request.method == "GET"
                return answer(200, self._page(request) if listed else self._store(last, body or {}))
            case "trades" | "funding" | "equity-snapshots" | "signals" | "events":
                judged = [self._screen(kind, item) for item in (body or {})["items"]]
                if self.answers_get_lost:
                    raise httpx.ReadError("cut off")
                return answer(200, {"results": judged})
        return await ASGITransport(self.service.app).handle_async_request(request)

    async def _open_stream(self, request: httpx.Request) -> httpx.Response:
        stream = Connected(request.headers.get("last-event-id"))
        self.streams.append(stream)
        stream.send(": welcome\n\n")
        async with self.connected:
            self.connected.notify_all()
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    def _page(self, request: httpx.Request) -> dict[str, Any]:
        """Return two of the held positions after the cursor, which is the id of the last one."""
        after = request.url.params.get("cursor", "")
        held = sorted(name for name, each in self.positions.items() if each["status"] != "closed")
        names = [name for name in held if name > after]
        following = names[1] if len(names) > 2 else None
        return {
            "items": [self.positions[name] for name in names[:2]],
            "next_cursor": following,
        }

    def _store(self, position_id: str, body: dict[str, Any]) -> dict[str, Any]:
        if "orders" in body:
            return body
        before = self.positions.get(position_id)
        if before is None or body["revision"] >= before["revision"]:
            held = {"expires_at": self.held_until} if body["status"] == "opening" else {}
            self.positions[position_id] = {"id": position_id, **held, **body}
        return self.positions[position_id]

    def _screen(self, kind: str, item: dict[str, Any]) -> dict[str, Any]:
        name = item["id"]
        if name in self.refuses:
            return {"id": name, "status": "refused", "code": self.refuses[name], "detail": "No."}
        new = f"{kind}/{name}" not in self.records
        self.records.setdefault(f"{kind}/{name}", item)
        return {"id": name, "status": "stored" if new else "duplicate"}

    async def stream(self, number: int = 1) -> Connected:
        """Return the stream's connection of this number, once it exists."""
        async with self.connected:
            await self.connected.wait_for(lambda: len(self.streams) >= number)
        return self.streams[number - 1]

    def change(self, **members: Any) -> str:
        """Change the configuration; return the event that announces it."""
        version = int(self.service.config["version"]) + 1
        self.service.config |= {"version": version, **members}
        self.service.etag = f'"{version}"'
        return f"id: {version}\nevent: config\ndata: {json.dumps(self.service.config)}\n\n"

    def to(self, path: str) -> list[Call]:
        """Return the calls to one path so far, below /v1/runtime/."""
        return [call for call in self.calls if call.path.startswith(f"/v1/runtime/{path}")]

    def client(self, **options: Any) -> BotClient:
        options = {"check": accepts, "pace": Pace(), **options}
        transport = HttpTransport(LIMITS, transport=self)
        return BotClient("http://127.0.0.1", self.service.token, transport=transport, **options)


async def accepts(*_: object) -> CredentialReport:
    return CredentialReport(Permissions())
