"""A long file is imported by production's processes, of which a worker is killed meanwhile."""

import asyncio
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import text

from app.db.engine import open_database
from examples.issuer import Issuer
from tests.processes.logins import Logins
from tests.processes.production import Installation, installed, is_ready
from tests.processes.running import Running, eventually
from tests.processes.trading import sent, unchecked_key
from tests.support.imports import NDJSON
from tests.support.world import Json

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
MEGABYTE = 1024 * 1024
GROWTH = 32 * MEGABYTE
"""What a process may grow by: a batch of rows, buffers, and modules that it first uses."""
ROWS = 1_000_000
SLOWEST = 2_000
"""Rows per second that are received, and stored, even on a busy machine."""
CLAIM = 1.0
"""Seconds after which another worker takes over a dead worker's import."""


def lines(key: Json) -> Iterator[bytes]:
    """Yield a history, a trade a minute, in parts of a thousand lines."""
    line = (
        '{"id":"history-%07d","bot":null,"key":{"id":"' + key["id"] + '","label":"Key 1"},'
        '"exchange":"binance","environment":"testnet","contract_type":"linear",'
        '"symbol":"BTCUSDT","side":"long","quantity":"0.5","entry_price":"90000",'
        '"exit_price":"91000","fees":"1.25","pnl":"498.75","settle":"USDT","contract_size":"1",'
        '"leverage":null,"margin_mode":null,"position_id":null,"exit_reason":null,'
        '"opened_at":"%s","closed_at":"%s"}\n'
    )
    for start in range(0, ROWS, 1000):
        part = []
        for number in range(start, start + 1000):
            opened = FIRST + timedelta(minutes=number)
            closed = opened + timedelta(minutes=30)
            part.append(line % (number, opened.isoformat(), closed.isoformat()))
        yield "".join(part).encode()


class Memory:
    """The resident memory of a process: what it was, and the most that was seen since."""

    def __init__(self, process: Running) -> None:
        self._process = psutil.Process(process.pid)
        self.before = self.most = self._now()

    def _now(self) -> int:
        return int(self._process.memory_info().rss)

    def look(self) -> None:
        self.most = max(self.most, self._now())


def worker_of(installation: Installation) -> Running:
    return installation.command(
        "worker", "--task", "purge", role="purge", operation_claim=CLAIM, keys_dir=None
    )


async def trades_in(logins: Logins, name: str) -> tuple[int, str]:
    database = open_database(
        logins.postgres.url("postgres", name), application_name="test", pool_size=1
    )
    try:
        async with database.sessions() as session:
            query = text("SELECT count(*), trim_scale(sum(pnl))::text FROM trades")
            count, pnl = (await session.execute(query)).one()
            return int(count), str(pnl)
    finally:
        await database.close()


def kill_in_the_middle(worker: Running, api: httpx.Client, place: str) -> None:
    assert eventually(lambda: bool(sent(api.get(place), 200)["done"]))
    worker.send(signal.SIGKILL)
    worker.wait()
    interrupted = sent(api.get(place), 200)
    assert interrupted["status"] == "running"
    assert 0 < interrupted["done"] < ROWS


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_a_million_rows_are_imported_in_bounded_memory_although_a_worker_is_killed(
    production_logins: Logins, oidc: Issuer, exchange_hosts: str, tmp_path: Path
) -> None:
    database = asyncio.run(production_logins.migrated())
    with installed(tmp_path, production_logins, database, oidc, exchange_hosts) as installation:
        process, address = installation.serve("api")
        runtime = installation.serve("runtime")
        worker = worker_of(installation)
        assert is_ready(*runtime), runtime[0].text
        assert is_ready(process, address), process.text
        with installation.http(address) as api:
            key = sent(api.post("/v1/keys", json=unchecked_key(1)), 201)
            receiving = Memory(process)

            def body() -> Iterator[bytes]:
                for part in lines(key):
                    receiving.look()
                    yield part

            began = time.monotonic()
            answer = api.post(
                "/v1/trades/import",
                params={"key_id": key["id"]},
                content=body(),
                headers={"Content-Type": NDJSON},
                timeout=1200,
            )
            received = time.monotonic()
            assert sent(answer, 202)["total"] == ROWS
            place = answer.headers["location"]
            idle = Memory(worker).before

            kill_in_the_middle(worker, api, place)
            worker = worker_of(installation)
            storing = Memory(worker)

            def ended() -> bool:
                storing.look()
                receiving.look()
                time.sleep(0.05)
                return sent(api.get(place), 200)["finished_at"] is not None

            assert eventually(ended, 1200)
            stored = time.monotonic()
            operation = sent(api.get(place), 200)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.is_clean, worker.text
    counts = operation["receipt"]["imported"]
    assert (operation["status"], operation["done"]) == ("succeeded", ROWS)
    assert (counts["stored"], counts["duplicate"], counts["refused"]) == (ROWS, 0, {})
    pnl = str(49_875 * ROWS // 100)
    assert counts["sums"] == {"USDT": {"trades": ROWS, "pnl": pnl, "fees": str(125 * ROWS // 100)}}
    assert asyncio.run(trades_in(production_logins, database)) == (ROWS, pnl)
    print(  # noqa: T201  # what docs/history-import.md says
        f"received in {received - began:.0f} s, stored in {stored - received:.0f} s; api grew by"
        f" {(receiving.most - receiving.before) / MEGABYTE:.0f} MB, the worker by"
        f" {(storing.most - idle) / MEGABYTE:.0f} MB"
    )
    assert receiving.most - receiving.before < GROWTH
    assert storing.most - idle < GROWTH
    assert ROWS / (received - began) > SLOWEST
    assert ROWS / (stored - received) > SLOWEST
