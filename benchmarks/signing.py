"""What an order through the signing proxy costs, beside one through a bare relay."""

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from app.simulator import credentials
from benchmarks.report import Row

BUDGET = 5.0
"""Times of an order through a bare relay, half of all orders: a proxy also checks the order, signs
it again, and asks the exchange over an HTTP client with deadlines.
"""

PARALLEL = 100
_EXCHANGE, _RELAY = "benchmarks.signing_process", "benchmarks.relay"


@dataclass(frozen=True, slots=True)
class _Target:
    address: str
    key: str
    secret: str = field(repr=False)

    def order(self) -> bytes:
        """Return a signed order that the exchange only checks."""
        text = (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.002&price=50000&timeInForce=GTC"
            f"&timestamp={int(time.time() * 1000)}"
        )
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        body = f"{text}&signature={signature}"
        lines = (
            "POST /fapi/v1/order/test HTTP/1.1",
            f"Host: {urlsplit(self.address).netloc}",
            f"X-MBX-APIKEY: {self.key}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join([*lines, "", body]).encode()


@dataclass(frozen=True, slots=True)
class _Seen:
    """Seconds of each order, round by round, and orders a second."""

    rounds: list[list[float]]
    rate: float

    @property
    def took(self) -> list[float]:
        return [second for part in self.rounds for second in part]

    @property
    def p50(self) -> float:
        return median(self.took) * 1000

    @property
    def p99(self) -> float:
        return quantiles(self.took, n=100)[98] * 1000


def measure_signing(rounds: int, orders: int) -> Row:
    """Measure orders one by one and a hundred at once, alternately relayed and through the
    proxy.
    """
    with (
        _started(_EXCHANGE) as exchange,
        _started(_RELAY, exchange["address"]) as relay,
        _started(_EXCHANGE, exchange["address"]) as proxy,
    ):
        key = credentials()["binance"]["live"]["trade"]
        relayed = _Target(relay["address"], key["api_key"], key["api_secret"])
        signing = _Target(proxy["address"], proxy["key"], proxy["secret"])
        seen = asyncio.run(_alternate(relayed, signing, rounds, orders))
    one, signed_one, many, signed_many = seen
    return Row.of_rounds(
        "order through the signing proxy, p50",
        [median(s) / median(r) for s, r in zip(signed_one.rounds, one.rounds, strict=True)],
        "of a bare relay's",
        "at most",
        BUDGET,
        {
            "relayed p50/p99 ms": f"{one.p50:.2f}/{one.p99:.2f}",
            "signed p50/p99 ms": f"{signed_one.p50:.2f}/{signed_one.p99:.2f}",
            "one by one, orders/s": f"{signed_one.rate:.0f} of {one.rate:.0f}",
            "100 at once, p50 ms": f"{signed_many.p50:.0f} of {many.p50:.0f}",
            "100 at once, p99 ms": f"{signed_many.p99:.0f} of {many.p99:.0f}",
            "100 at once, orders/s": f"{signed_many.rate:.0f} of {many.rate:.0f}",
            "ratio at 100": f"{signed_many.rate / many.rate:.2f}",
        },
    )


async def _alternate(relayed: _Target, signing: _Target, rounds: int, orders: int) -> list[_Seen]:
    """Return one by one relayed and signed, then at once relayed and signed."""
    found = []
    for parallel in (1, PARALLEL):
        each = max(1, orders // parallel)
        parts: tuple[list[_Seen], list[_Seen]] = ([], [])
        for target in (relayed, signing):
            await _load(target, parallel, 1)  # opens what is kept open
        for _ in range(rounds):
            for target, kept in zip((relayed, signing), parts, strict=True):
                kept.append(await _load(target, parallel, each))
        found += [
            _Seen([part.took for part in kept], median(part.rate for part in kept))
            for kept in parts
        ]
    return found


async def _load(target: _Target, parallel: int, each: int) -> _Seen:
    began = time.perf_counter()
    took = await asyncio.gather(*(_send(target, each) for _ in range(parallel)))
    whole = time.perf_counter() - began
    return _Seen([[second for part in took for second in part]], parallel * each / whole)


async def _send(target: _Target, count: int) -> list[float]:
    """Send orders one after the other on one connection, and return how long each took."""
    where = urlsplit(target.address)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    took = []
    for _ in range(count):
        order = target.order()
        began = time.perf_counter()
        writer.write(order)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the order was refused: {head[:40]!r}")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        took.append(time.perf_counter() - began)
    writer.close()
    return took


@contextmanager
def _started(module: str, *arguments: str) -> Iterator[dict[str, Any]]:
    process = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None  # noqa: S101  # for the type checker: they are pipes
    assert process.stdout is not None  # noqa: S101
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
