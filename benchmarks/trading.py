"""An account with 1,000,000 trades and as many snapshots: its summary, and pages of its trades."""

import asyncio
import time
from statistics import median, quantiles

from sqlalchemy import make_url

from benchmarks.installation import Installation
from benchmarks.report import Row
from benchmarks.seed import ACCOUNT, MILLION, seed
from benchmarks.server import Server

SUMMARY_BUDGET = 1000
PAGE_BUDGET = 20
DEPTH = 100_000
_PAGE, _STEP = 50, 200
_SUMMARIES, _PAGES = 20, 200


def measure_trading(
    installation: Installation, count: int = MILLION, depth: int = DEPTH
) -> list[Row]:
    """Measure through the whole service, one caller at a time, in the caller's milliseconds."""
    began = time.perf_counter()
    # Only the tables' owner may run ANALYZE, which a real service gets in time.
    owner = make_url(installation.database_url).set(username="botkeys_owner")
    url = owner.render_as_string(hide_password=False)
    asyncio.run(seed(url, ACCOUNT, count, count))
    seeded = time.perf_counter() - began
    with installation.service() as service:
        token = installation.token(ACCOUNT)
        summaries = _times(service, token, "/v1/analytics/summary", _SUMMARIES)
        by_symbol = _times(service, token, "/v1/analytics/summary?group_by=symbol", _SUMMARIES)
        first = f"/v1/trades?limit={_PAGE}"
        deep = f"{first}&cursor={_cursor_at(service, token, depth)}"
        pages = {1: _times(service, token, first, _PAGES)}
        pages[depth] = _times(service, token, deep, _PAGES)
    return [
        Row(
            name=f"summary at {count:,} trades",
            value=median(summaries),
            unit="ms",
            kind="at most",
            budget=SUMMARY_BUDGET,
            details={
                "slowest": f"{max(summaries):.0f} ms",
                "by symbol": f"{median(by_symbol):.0f} ms",
                "seeding": f"{seeded:.0f} s",
            },
        ),
        *(
            Row(
                name=f"page of {_PAGE} trades at depth {place:,}, p95",
                value=quantiles(times, n=20)[-1],
                unit="ms",
                kind="at most",
                budget=PAGE_BUDGET,
                details={"p50": f"{median(times):.1f} ms"},
            )
            for place, times in pages.items()
        ),
    ]


def _times(service: Server, token: str, path: str, times: int) -> list[float]:
    """Return the milliseconds of each call, after an uncounted one."""
    service.call("GET", path, token)
    took = []
    for _ in range(times):
        began = time.perf_counter()
        service.call("GET", path, token)
        took.append((time.perf_counter() - began) * 1000)
    return took


def _cursor_at(service: Server, token: str, depth: int) -> str:
    """Return the cursor of the page that begins after so many trades."""
    path, cursor = f"/v1/trades?limit={_STEP}", ""
    for _ in range(depth // _STEP):
        page = service.call("GET", path + (f"&cursor={cursor}" if cursor else ""), token)
        cursor = page["next_cursor"]
    return cursor
