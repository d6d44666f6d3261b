"""An account with 1,000,000 trades: its summary, and pages of its trades."""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from statistics import median
from typing import Any

import asyncpg

from app.auth.development_issuer import DevelopmentIssuer
from app.auth.principal import account_id
from benchmarks.by_hand import ByHand, Compared, compare
from benchmarks.installation import Installation
from benchmarks.report import Row
from benchmarks.rounds import DifferentAnswers
from benchmarks.seed import ACCOUNT, MILLION, seed_repeated
from benchmarks.server import Server

SUMMARY_BUDGET = 0.2
"""Of adding all trades up by SQL, of a million of them: fewer prove nothing."""

PAGE_BUDGET = 10.0
DEPTH = 100_000
_PAGE, _STEP = 50, 200
_ROUNDS, _SUMMARIES = 9, 2

_SUM = """
SELECT settle, count(*), sum(pnl), sum(fees), count(*) FILTER (WHERE pnl > 0),
    sum(pnl) FILTER (WHERE pnl > 0), avg(closed_at - opened_at), min(closed_at), max(closed_at)
FROM trades WHERE account_id = $1 AND environment = 'live' GROUP BY settle
"""
_TRADES = """
SELECT id, bot_id, key_id, exchange, environment, contract_type, symbol, side, quantity,
    entry_price, exit_price, fees, other_fees, leverage, margin_mode, position_id, contract_size,
    settle, pnl, opened_at, closed_at, exit_reason, import_id
FROM trades WHERE account_id = $1 AND environment = 'live'
"""
_ORDER = "ORDER BY closed_at DESC, bot_id DESC, id DESC"
_FIRST = f"{_TRADES} {_ORDER} LIMIT {_PAGE}"
_FURTHER = f"{_TRADES} AND (closed_at, bot_id, id) < ($2, $3, $4) {_ORDER} LIMIT {_PAGE}"


def measure_trading(
    installation: Installation, count: int = MILLION, depth: int = DEPTH
) -> list[Row]:
    """Measure through the whole service, one caller at a time, and the same by SQL."""
    began = time.perf_counter()
    asyncio.run(seed_repeated(installation.url("botkeys_owner"), ACCOUNT, count))
    seeded = time.perf_counter() - began
    account = account_id(DevelopmentIssuer.issuer, ACCOUNT)
    with installation.service() as service:
        token = installation.token(ACCOUNT)
        first = f"/v1/trades?limit={_PAGE}"
        deep = f"{first}&cursor={_cursor_at(service, token, depth)}"
        after = asyncio.run(_last_of(installation.database_url, account, depth))
        measured = partial(_measured, installation.database_url, service, token)
        asyncio.run(_require_same_sums(installation.database_url, service, token, account))
        summary = measured("/v1/analytics/summary", ByHand(_SUM, [account]), _SUMMARIES)
        pages = {
            1: measured(first, ByHand(_FIRST, [account])),
            depth: measured(deep, ByHand(_FURTHER, [account, *after])),
        }
        by_symbol = _time(service, token, "/v1/analytics/summary?group_by=symbol")
    return [
        Row.of_rounds(
            f"summary at {count:,} trades",
            summary.ratios,
            "of adding them up by SQL",
            "at most",
            SUMMARY_BUDGET if count >= MILLION else None,
            {
                **summary.details,
                "by symbol": f"{by_symbol:.0f} ms",
                "seeding": f"{seeded:.0f} s",
            },
        ),
        *(
            Row.of_rounds(
                f"page of {_PAGE} trades at depth {place:,}",
                page.ratios,
                "of its SQL",
                "at most",
                PAGE_BUDGET,
                page.details,
            )
            for place, page in pages.items()
        ),
    ]


def _measured(
    database_url: str, service: Server, token: str, path: str, by_hand: ByHand, at_once: int = 10
) -> Compared:
    def request() -> Sequence[Any]:
        items: Sequence[Any] = service.call("GET", path, token)["items"]
        return items

    return asyncio.run(compare(database_url, request, by_hand, _ROUNDS, at_once))


async def _require_same_sums(database_url: str, service: Server, token: str, account: Any) -> None:
    """Raise `DifferentAnswers` unless the summary has what the trades add up to."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(_SUM, account)
    finally:
        await connection.close()
    by_hand = {settle: (count, pnl, fees) for settle, count, pnl, fees, *_ in rows}
    items = service.call("GET", "/v1/analytics/summary", token)["items"]
    shown = {
        item["settle"]: (item["trades"], Decimal(item["realised_pnl"]), Decimal(item["fees"]))
        for item in items
    }
    if shown != by_hand:
        raise DifferentAnswers


def _time(service: Server, token: str, path: str) -> float:
    """Return the median of the milliseconds of a few calls, after an uncounted one."""
    took = []
    for _ in range(6):
        began = time.perf_counter()
        service.call("GET", path, token)
        took.append((time.perf_counter() - began) * 1000)
    return median(took[1:])


async def _last_of(database_url: str, account: Any, depth: int) -> tuple[Any, ...]:
    """Return where the page at this depth begins: after the last trade before it."""
    connection = await asyncpg.connect(database_url)
    try:
        row = await connection.fetchrow(
            "SELECT closed_at, bot_id, id FROM trades"  # noqa: S608  # built from constants
            f" WHERE account_id = $1 AND environment = 'live' {_ORDER} OFFSET $2 LIMIT 1",
            account,
            depth - 1,
        )
        return tuple(row or ())
    finally:
        await connection.close()


def _cursor_at(service: Server, token: str, depth: int) -> str:
    """Return the cursor of the page that begins after so many trades."""
    path, cursor = f"/v1/trades?limit={_STEP}", ""
    for _ in range(depth // _STEP):
        page = service.call("GET", path + (f"&cursor={cursor}" if cursor else ""), token)
        cursor = page["next_cursor"]
    return cursor
