"""How PostgreSQL answers a page: by an index in the order of the list, from the page's start on."""

import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import Statement
from app.db.engine import Database, open_database
from app.domains.history.cursors import Place
from app.domains.history.data_set import DataSet
from app.domains.history.lists import BOT_EVENTS, LISTS, POSITIONS, DataList
from app.domains.history.page_statements import Shape, compiled, statement
from app.domains.history.repository import ListFilter, page_of
from app.domains.trading.marks import FOREVER, Mark
from tests.support.database import Server, database_copy, execute
from tests.support.trading_data import SECOND, START, TIMES

pytestmark = pytest.mark.one_server(
    "What a statement reads on another node is not in its plan or counters."
)

ACCOUNT, KEY, BOT = (UUID(int=number) for number in (1, 2, 2))
FEW, MANY, STEP = 4_000, 120_000, 20_000
MAKE_ACCOUNT = "INSERT INTO accounts (account_id, issuer, subject) VALUES ('{}', '', '')"
# A key has one row in five and a bot one in seven; each key has one environment.
_WHO = """
    (SELECT '{account}'::uuid AS account_id, number, 'r' || number AS id,
            lpad((number % 5)::text, 32, '0')::uuid AS key_id,
            lpad((number % 7)::text, 32, '0')::uuid AS bot_id,
            CASE WHEN number % 5 = 4 THEN 'testnet' ELSE 'live' END AS environment,
            'okx' AS exchange, 'linear' AS contract_type, 'X-' || number % 11 AS symbol,
            timestamptz '2026-11-01' + number * interval '1 s' AS at
     FROM generate_series({first}, {last}) AS number) AS who
"""
_SAME = "account_id, bot_id, key_id, environment, exchange, contract_type"
FILL = [
    f"INSERT INTO {table} ({_SAME}, {columns}) SELECT {_SAME}, {values} FROM {_WHO}"  # noqa: S608  # ours
    for table, columns, values in (
        (
            "trades",
            "id, symbol, side, quantity, entry_price, exit_price, fees, opened_at, closed_at",
            "id, symbol, 'long', 1, 1, 1, 0, at, at",
        ),
        ("funding", "id, at, symbol, amount, settle", "id, at, symbol, 1, 'USDT'"),
        ("equity_snapshots", "id, at, equity, settle, reset", "id, at, 1, 'USDT', false"),
        ("signals", "id, at, symbol, name, direction", "id, at, symbol, 'x', 'long'"),
        (
            "positions",
            "id, symbol, side, status, quantity, close_reason, created_at, updated_at",
            "id, symbol, 'long', 'closed', 1, 'reported', at, at",
        ),
        (
            "bot_events",
            "id, kind, level, message, at",
            "gen_random_uuid(), symbol, (ARRAY['error', 'info'])[1 + sign(number % 9)], '', at",
        ),
    )
]


@asynccontextmanager
async def filled(server: Server, rows: int) -> AsyncIterator[Database]:
    """Yield an account with this many rows of each kind, and up-to-date statistics."""
    async with database_copy(server) as name:
        url = server.url(name, superuser=True)
        fill = [
            statement.format(account=ACCOUNT, first=first + 1, last=min(first + STEP, rows))
            for statement in FILL
            for first in range(0, rows, STEP)
        ]
        await execute(url, MAKE_ACCOUNT.format(ACCOUNT), *fill, "ANALYZE")
        database = open_database(url, application_name="botkeys-tests", pool_size=2)
        yield database
        await database.close()


@pytest_asyncio.fixture(scope="module")
async def few(server: Server) -> AsyncIterator[Database]:
    async with filled(server, FEW) as database:
        yield database


@pytest_asyncio.fixture(scope="module")
async def many(server: Server) -> AsyncIterator[Database]:
    async with filled(server, MANY) as database:
        yield database


def place_of(row: int) -> Place:
    return START + row * SECOND, UUID(int=row % 7), f"r{row}"


BY_FILTER = {
    "page": ListFilter(),
    "of_key": ListFilter(key_id=KEY),
    "of_bot": ListFilter(bot_id=BOT),
    "of_symbol": ListFilter(exactly=(("symbol", "X-3"),)),
    "of_kind": ListFilter(exactly=(("kind", "X-3"),)),
    "of_level": ListFilter(exactly=(("level", "error"),)),
}
"""The filter that each index must answer."""

INDEXED = [
    (data_list, index)
    for data_list, (index, wanted) in itertools.product(LISTS, BY_FILTER.items())
    if all(name in data_list.table.c for name, _ in wanted.exactly)
]
each_filter = pytest.mark.parametrize(
    ("data_list", "index"),
    INDEXED,
    ids=[f"{data_list.name} {index}" for data_list, index in INDEXED],
)


async def plan(
    session: AsyncSession, shape: Shape, values: dict[str, Any], *options: str
) -> dict[str, Any]:
    written = (
        statement(shape)
        .params(values)
        .compile(
            dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]
            compile_kwargs={"literal_binds": True},
        )
    )
    explain = f"EXPLAIN ({', '.join(['FORMAT JSON', *options])}) {written}".replace(":", r"\:")
    found = await session.scalar(text(explain))
    node: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return node


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from nodes(below)


def scans(data_list: DataList, found: dict[str, Any]) -> list[dict[str, Any]]:
    name = str(data_list.table)
    return [node for node in nodes(found) if node.get("Relation Name") == name]


def sorted_at_length(node: dict[str, Any], within: bool = False) -> bool:
    """Return whether more than a page is sorted."""
    kind = node["Node Type"]
    if within and "Scan" in kind and kind != "Subquery Scan":
        return True
    within = kind != "Limit" and (within or "Sort" in kind)
    return any(sorted_at_length(below, within) for below in node.get("Plans", ()))


async def look(
    database: Database, data_list: DataList, index: str, after: Place | None, *options: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    page = page_of(data_list, ACCOUNT, DataSet("live"), BY_FILTER[index], after, 51)
    async with database.sessions() as session:
        found = await plan(session, *page, *options)
    return found, scans(data_list, found)


@each_filter
async def test_an_index_answers_each_filter_in_order_and_begins_at_the_place(
    few: Database, data_list: DataList, index: str
) -> None:
    found, of_list = await look(few, data_list, index, place_of(FEW // 2))

    assert not sorted_at_length(found)
    assert len(of_list) == (2 if data_list is BOT_EVENTS else 1)
    scan = of_list[0]
    assert scan["Index Name"] == f"ix_{data_list.table}_{index}"
    assert "Filter" not in scan
    assert re.search(r"ROW\(.*\) < ROW\(", scan["Index Cond"])


@pytest.mark.torture
@each_filter
async def test_a_page_costs_the_same_at_any_depth(
    many: Database, data_list: DataList, index: str
) -> None:
    read = []
    for after in (None, place_of(MANY // 2), place_of(MANY // 100)):
        found, of_list = await look(many, data_list, index, after, "ANALYZE", "BUFFERS")
        assert of_list[0]["Index Name"] == f"ix_{data_list.table}_{index}"
        assert sum(scan["Actual Rows"] for scan in of_list) == 51
        read.append(found["Shared Hit Blocks"] + found["Shared Read Blocks"])
    # At worst each row is in a block of its own, and each index look-up reads a few blocks.
    assert max(read) < 51 * 8, read


@pytest.mark.parametrize("state", ["opening", "open"])
@pytest.mark.parametrize("after", [None, place_of(FEW // 2)], ids=["at first", "further on"])
async def test_what_is_held_is_found_without_looking_through_what_was(
    few: Database, state: str, after: Place | None
) -> None:
    page = page_of(POSITIONS, ACCOUNT, DataSet("live"), ListFilter(state=state), after, 51)
    async with few.sessions() as session:
        (scan,) = scans(POSITIONS, await plan(session, *page))

    assert scan["Index Name"].startswith(("ix_positions_held", "ix_positions_opening"))


async def test_a_mark_bounds_the_scan(few: Database) -> None:
    data_list = LISTS[0]
    for mark, index in ((Mark("live", None, START), "page"), (Mark(None, KEY, START), "of_key")):
        data = DataSet("live", (mark, Mark(None, uuid4(), START)))
        page = page_of(data_list, ACCOUNT, data, BY_FILTER[index], None, 51)
        async with few.sessions() as session:
            (scan,) = scans(data_list, await plan(session, *page))
        assert f"({TIMES[data_list.name]} >= " in scan["Index Cond"]


def test_pages_that_differ_in_values_alone_share_a_statement() -> None:
    def compiled_for(
        data: DataSet, wanted: ListFilter, after: Place | None, limit: int
    ) -> Statement:
        return compiled(page_of(BOT_EVENTS, uuid4(), data, wanted, after, limit)[0])

    def marked(environment: str, days: int) -> DataSet:
        cutoff = START + days * timedelta(days=1)
        keys = [Mark(None, uuid4(), cutoff + SECOND), Mark(None, uuid4(), FOREVER)]
        return DataSet(environment, (Mark(None, None, cutoff), *keys, *keys[-1:] * days))

    one = compiled_for(marked("live", 1), ListFilter(bot_id=uuid4()), place_of(1), 5)
    same = compiled_for(marked("testnet", 2), ListFilter(bot_id=uuid4()), place_of(2), 6)
    others = [
        compiled_for(marked("live", 1), ListFilter(bot_id=uuid4()), None, 5),
        compiled_for(marked("live", 1), ListFilter(key_id=uuid4()), place_of(1), 5),
        compiled_for(DataSet("live"), ListFilter(bot_id=uuid4()), place_of(1), 5),
    ]

    assert one is same
    assert len({query.text for query in (one, *others)}) == 1 + len(others)
