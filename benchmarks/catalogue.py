"""The catalogue: refreshing all exchanges at once, and searching 5,000 instruments."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import text

from app.db.engine import Database, open_database
from app.domains.catalogue.refresher import CatalogueRefresher, Intervals
from app.domains.catalogue.repository import CatalogueKey
from benchmarks.by_hand import ByHand, compare
from benchmarks.installation import Installation
from benchmarks.listing import INSTRUMENTS, fill
from benchmarks.report import Row
from benchmarks.rounds import Effort
from benchmarks.simulated import LATENCY
from botkeys.exchanges.model import Environment
from botkeys.exchanges.registry import EXCHANGES, Exchanges, simulated_hosts
from botkeys.transport.client import HttpTransport

REFRESH_BUDGET = 1.3
SEARCH_BUDGET = 4.0
_EVERY = Intervals(prices=timedelta(0), instruments=timedelta(0))


def measure_refresh(installation: Installation) -> Row:
    """Measure all catalogues of all exchanges together, relative to the slowest exchange alone."""
    with _exchanges() as hosts:
        alone, together = asyncio.run(_refresh(installation.database_url, hosts))
    slowest = max(alone, key=lambda exchange: alone[exchange])
    return Row(
        name="refresh of all catalogues",
        value=together / alone[slowest],
        unit="of the slowest exchange",
        kind="at most",
        budget=REFRESH_BUDGET,
        details={
            "all": f"{together:.2f} s",
            **{exchange: f"{seconds:.2f} s" for exchange, seconds in alone.items()},
            "latency of each answer": f"{LATENCY} s",
        },
    )


@contextmanager
def _exchanges() -> Iterator[Mapping[str, Mapping[str, str]]]:
    """Simulate the exchanges in a separate process, so that they do not slow the measured one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.simulated"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101  # a pipe was requested
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate("")


async def _refresh(
    database_url: str, addresses: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, float], float]:
    """Return the seconds for each exchange alone, and for all at once."""
    database = open_database(database_url, application_name="botkeys-bench", pool_size=20)
    hosts = simulated_hosts(addresses)
    names = {
        exchange: [
            CatalogueKey(exchange, environment, None, contract_type)
            for environment in Environment
            for contract_type in profile.contract_types
        ]
        for exchange, profile in EXCHANGES.items()
    }
    try:
        # Refresh once beforehand: as in production, later refreshes find most of it stored.
        await _run(database, hosts, [name for some in names.values() for name in some])
        alone = {exchange: await _run(database, hosts, some) for exchange, some in names.items()}
        together = await _run(database, hosts, [name for some in names.values() for name in some])
    finally:
        await database.close()
    return alone, together


async def _run(
    database: Database,
    hosts: Mapping[str, Mapping[str, Mapping[str, str | None]]],
    names: list[CatalogueKey],
) -> float:
    """Refresh with connections of its own, so that limits of earlier runs do not count."""
    async with HttpTransport() as transport:
        refresher = CatalogueRefresher(database, Exchanges(transport, hosts=hosts), _EVERY)
        started = time.perf_counter()
        await asyncio.gather(*(refresher.refresh(name, everything=True) for name in names))
        seconds = time.perf_counter() - started
    async with database.sessions() as session:
        failed = await session.scalar(
            text("SELECT count(*) FROM catalogues WHERE failure IS NOT NULL")
        )
    if failed:
        raise RuntimeError(f"{failed} catalogues were not fetched: the figure means nothing")
    return seconds


def measure_search(installation: Installation, effort: Effort) -> Row:
    """Measure a search over 5,000 instruments, one caller at a time, through the whole service."""
    asyncio.run(fill(installation.database_url))
    with installation.service() as service:
        token = installation.token()
        key = service.call(
            "POST",
            "/v1/keys",
            token,
            {
                "label": "Searched",
                "exchange": "bybit",
                "environment": "live",
                "contract_type": "linear",
                "api_key": "searched",
                "api_secret": "searched",
                "verify": False,
            },
        )
        path = f"/v1/keys/{key['id']}/instruments?search=btc"
        found = service.call("GET", path, token)
        if not found["items"] or found["next_cursor"] is None:
            raise RuntimeError("the search found too little for the figure to mean anything")
        by_hand = ByHand(_SEARCH, [len(found["items"])])
        compared = asyncio.run(
            compare(
                installation.database_url,
                lambda: service.call("GET", path, token)["items"],
                by_hand,
                effort.rounds,
            )
        )
    return Row.of_rounds(
        f"search of {INSTRUMENTS:,} instruments",
        compared.ratios,
        "of its SQL",
        "at most",
        SEARCH_BUDGET,
        compared.details,
    )


_SEARCH = """
WITH page AS MATERIALIZED (
    SELECT symbol, base, quote, settle, max_leverage, margin_modes, tick_size, lot_size,
        contract_size, expires_at, NOT search_text LIKE 'btc%' AS later
    FROM instruments
    WHERE exchange = 'bybit' AND environment = 'live' AND region = '' AND contract_type = 'linear'
        AND listed AND NOT dated AND search_text LIKE '%btc%'
    ORDER BY later, symbol LIMIT $1
)
SELECT page.*, price, volume_24h FROM page LEFT JOIN instrument_prices AS priced
    ON exchange = 'bybit' AND environment = 'live' AND region = '' AND contract_type = 'linear'
    AND priced.symbol = page.symbol
ORDER BY later, page.symbol
"""
