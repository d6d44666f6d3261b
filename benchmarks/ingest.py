"""Ingest of 1000 trades a request, as a fraction of the speed of asyncpg's COPY of the same rows.

Both write to the same table of the same database, alternately, each over one connection. COPY gets
what the service stored for the same trades, under ids of its own; its records are prepared before
the clock starts, as is the text of the service's body. That is sent by the standard library: a
client like httpx takes 2 ms more. Both programs are on another processor than PostgreSQL, as where
it has a machine of its own: a program that works while its rows are inserted shall not wait for it.
"""

import asyncio
import json
import os
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from statistics import median
from typing import Any
from uuid import uuid4

import asyncpg

from app.domains.ingest.bulk_insert import OF_BATCH, TRADES
from benchmarks.cpu import apart
from benchmarks.fleet import FleetBot, make_fleet
from benchmarks.installation import Installation
from benchmarks.report import Row
from benchmarks.rounds import DifferentAnswers

ITEMS = 1000
BUDGET = 0.7
_COLUMNS = (*OF_BATCH, *TRADES.columns)
_ID = _COLUMNS.index("id")
_WARM_UP = 3


def measure_ingest(installation: Installation, rounds: int) -> Row:
    """Return the median of the rounds' ratios; times are medians in milliseconds."""
    with installation.service("runtime") as service:
        with installation.service("api") as api:
            [bot] = make_fleet(installation, api, service, 1)
        with (
            closing(HTTPConnection("127.0.0.1", service.port)) as http,
            apart(installation.postgres_pid, os.getpid(), *service.cpu_seconds()),
        ):
            times = asyncio.run(_in_turn(installation.database_url, http, bot, rounds))
    return Row.of_rounds(
        f"ingest {ITEMS} trades",
        [copied / stored for stored, copied in times],
        "of COPY",
        "at least",
        BUDGET,
        {
            "service": f"{median(stored for stored, _ in times) * 1000:.0f} ms",
            "copy": f"{median(copied for _, copied in times) * 1000:.0f} ms",
            "rounds": rounds,
        },
    )


async def _in_turn(
    database_url: str, http: HTTPConnection, bot: FleetBot, rounds: int
) -> list[tuple[float, float]]:
    """Return the seconds of service and COPY, round by round, after a few uncounted ones."""
    connection = await asyncpg.connect(database_url)
    try:
        times = []
        for _ in range(_WARM_UP + rounds):
            name = uuid4().hex[:12]
            stored = _report(http, bot, name)
            times.append((stored, await _copy(connection, name)))
        return times[_WARM_UP:]
    finally:
        await connection.close()


def _report(http: HTTPConnection, bot: FleetBot, name: str) -> float:
    """Return the seconds until the response; raise `DifferentAnswers` unless all were stored."""
    body = json.dumps({"items": _trades(name)}).encode()
    headers = {"Authorization": f"Bearer {bot.token}", "Content-Type": "application/json"}
    before = time.perf_counter()
    http.request("POST", "/v1/runtime/trades", body, headers)
    answer = http.getresponse().read()
    seconds = time.perf_counter() - before
    results = json.loads(answer).get("results", ())
    if len(results) != ITEMS or any(result["status"] != "stored" for result in results):
        raise DifferentAnswers
    return seconds


async def _copy(connection: Any, name: str) -> float:
    """Copy what the service stored under these ids, with new ids; return the COPY's seconds."""
    columns = ", ".join(_COLUMNS)
    rows = await connection.fetch(
        f"SELECT {columns} FROM trades WHERE id LIKE $1 ORDER BY id",  # noqa: S608  # our own names
        f"{name}-%",
    )
    records = [(*row[:_ID], f"copy-{row[_ID]}", *row[_ID + 1 :]) for row in map(tuple, rows)]
    if len(records) != ITEMS or any(record[_COLUMNS.index("pnl")] is None for record in records):
        raise DifferentAnswers
    before = time.perf_counter()
    await connection.copy_records_to_table("trades", records=records, columns=_COLUMNS)
    return time.perf_counter() - before


def _trades(name: str) -> list[dict[str, str]]:
    """Return trades of nine symbols with every member that a bot can report."""
    start = datetime.now(UTC) - timedelta(days=30)
    return [
        {
            "id": f"{name}-{number:04}",
            "symbol": f"COIN{number % 9 + 1:04}USDT",
            "side": "short" if number % 3 else "long",
            "quantity": f"{number % 97 + 1}.125",
            "entry_price": f"97{number % 1000:03}.5",
            "exit_price": f"98{number % 1000:03}.25",
            "fees": "1.2345",
            "leverage": "10",
            "margin_mode": "cross",
            "position_id": f"position-{number}",
            "opened_at": (start + timedelta(minutes=number)).isoformat(),
            "closed_at": (start + timedelta(minutes=number + 45)).isoformat(),
            "exit_reason": "take profit",
        }
        for number in range(ITEMS)
    ]
