"""A thousand bots on their streams, in a process of their own, and changes by their owners.

    echo '{"port": 8001, "api_port": 8000, "bots": [...], …}' | python -m benchmarks.listeners

A single clock times the change's request, its response, and the event's arrival at the bot.
"""

import asyncio
import json
import random
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, cast

import uvloop

_END = b"\r\n\r\n"
_PATIENCE = 30.0
_CONNECTING = 50


@dataclass(frozen=True, slots=True)
class Listening:
    """`bots` are tokens of bots; `changed` the bots to change, with what their owners need.

    There are `changes` changes, at least `pause` seconds apart, each made after the previous one
    was seen.
    """

    port: int
    api_port: int
    bots: list[str]
    changed: list[dict[str, str]]
    changes: int
    pause: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Milliseconds from each change to its event: from its request, and from its response."""

    from_request: list[float]
    from_answer: list[float]


class _Stream(asyncio.Protocol):
    """One bot's stream: how many events arrived, and when the last one did."""

    def __init__(self, token: str) -> None:
        self.events = 0
        self.arrived_at = 0.0
        self.came = asyncio.Event()
        self._token = token
        self._text = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(
            f"GET /v1/runtime/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {self._token}\r\nAccept: text/event-stream\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._text += data
        found = self._text.count(b"event: config\n")
        if found:
            # The rest may contain the beginning of the next event's first line.
            self._text = self._text.rpartition(b"event: config\n")[2][-20:]
            self.events += found
            self.arrived_at = now
            self.came.set()
        else:
            self._text = self._text[-200:]

    def connection_lost(self, exc: Exception | None) -> None:
        raise RuntimeError(f"a stream ended early ({type(exc).__name__})")


async def run(listening: Listening) -> Seen:
    loop = asyncio.get_running_loop()
    streams: dict[str, _Stream] = {}
    turn = asyncio.Semaphore(_CONNECTING)

    async def connect(token: str) -> None:
        async with turn:
            _, stream = await loop.create_connection(
                lambda: _Stream(token), "127.0.0.1", listening.port
            )
            streams[token] = stream
            await asyncio.wait_for(stream.came.wait(), _PATIENCE)

    await asyncio.gather(*(connect(token) for token in listening.bots))
    reader, writer = await asyncio.open_connection("127.0.0.1", listening.api_port)
    seen = Seen([], [])
    paused: dict[str, bool] = {}
    chosen = random.Random(1)  # noqa: S311  # the choice is no secret
    for _ in range(listening.changes):
        bot = chosen.choice(listening.changed)
        stream = streams[bot["token"]]
        stream.came.clear()
        paused[bot["bot_id"]] = not paused.get(bot["bot_id"], False)
        began = time.perf_counter()
        await _change(reader, writer, bot, {"paused": paused[bot["bot_id"]]})
        answered = time.perf_counter()
        await asyncio.wait_for(stream.came.wait(), _PATIENCE)
        seen.from_request.append((stream.arrived_at - began) * 1000)
        seen.from_answer.append((stream.arrived_at - answered) * 1000)
        await asyncio.sleep(max(0.0, listening.pause - (time.perf_counter() - began)))
    return seen


async def _change(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bot: dict[str, str], body: Any
) -> None:
    text = json.dumps(body)
    writer.write(
        f"PATCH /v1/bots/{bot['bot_id']} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {bot['user_token']}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
    )
    head = (await reader.readuntil(_END)).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"a change was answered with {head.splitlines()[0].decode()}")
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))


def allow_many_connections() -> None:
    """Allow as many open files as the machine permits; children inherit the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    allow_many_connections()
    seen = uvloop.run(run(Listening(**json.loads(sys.stdin.read()))))
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main()
