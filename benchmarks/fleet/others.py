"""Other calls at a steady rate, in a process of their own, while something else goes on.

    echo '{"seconds": 10, "kinds": [{"name": "config", "port": 8001, "per_second": 20, …}]}' \
        | python -m benchmarks.fleet.others

A call begins when it is due, whether the one before has been answered or not, and its time counts
from then: a service that stalls is seen by all that would have called meanwhile.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import uvloop

from benchmarks.load import LoadRequest, quantile

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests of one kind, sent in turn over kept connections."""

    name: str
    port: int
    per_second: float
    requests: list[LoadRequest]


class _Line:
    """Connections that are free; a call takes one, or opens one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, request: bytes) -> int:
        """Return the status of the response; 0 if there was none."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._call(request)
        except (OSError, EOFError, TimeoutError):
            return 0

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()

    async def _call(self, request: bytes) -> int:
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof() and not writer.is_closing():
                break
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            _, found, rest = head.partition("content-length:")
            if found:
                await reader.readexactly(int(rest.partition("\r\n")[0]))
        except BaseException:
            writer.close()
            raise
        if "connection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(head.split(" ")[1])


async def run(seconds: float, kinds: list[Kind]) -> dict[str, Any]:
    """Return by kind the quantiles in milliseconds, and how many were refused or unanswered."""
    answered: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)

    async def one(kind: Kind, line: _Line, request: bytes, due: float) -> None:
        status = await line.call(request)
        if status in {200, 304}:
            answered[kind.name].append((time.perf_counter() - due) * 1000)
        else:
            failed[kind.name] += 1

    async def keep_calling(kind: Kind, began: float) -> None:
        line = _Line(kind.port)
        encoded = [request.encoded(kind.port) for request in kind.requests]
        calls = []
        for number in range(int(seconds * kind.per_second)):
            due = began + number / kind.per_second
            await asyncio.sleep(due - time.perf_counter())
            calls.append(asyncio.create_task(one(kind, line, encoded[number % len(encoded)], due)))
        await asyncio.gather(*calls)
        line.close()

    began = time.perf_counter()
    await asyncio.gather(*(keep_calling(kind, began) for kind in kinds))
    return {
        kind.name: {
            "calls": len(answered[kind.name]),
            "failed": failed[kind.name],
            "p50": quantile(sorted(answered[kind.name]), 0.5),
            "p99": quantile(sorted(answered[kind.name]), 0.99),
        }
        for kind in kinds
        if answered[kind.name]
    }


def main() -> None:
    wanted: dict[str, Any] = json.loads(sys.stdin.read())
    kinds = [
        Kind(**{**kind, "requests": [LoadRequest(**one) for one in kind["requests"]]})
        for kind in wanted["kinds"]
    ]
    print(json.dumps(uvloop.run(run(wanted["seconds"], kinds))))


if __name__ == "__main__":
    main()
