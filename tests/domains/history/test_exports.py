"""Whole lists as CSV and NDJSON."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import Request

from app.api.streaming import StreamLimits
from app.domains.history import exports
from app.domains.history import service as reading_service
from app.domains.history.content_negotiation import Form, wanted_form
from app.domains.history.export_formats import CsvLines, NdjsonLines
from app.domains.history.exports import Export, ExportQuota, export
from app.domains.history.lists import LISTS, TRADES
from app.domains.history.repository import ListFilter, ListRepository
from app.domains.history.service import ListService
from app.domains.trading.marks import Mark
from app.errors import RateLimited, Unavailable
from tests.support.streaming import streaming
from tests.support.trading_data import LISTED, SECOND, START, Desk, new_desk, new_row
from tests.support.world import Json, World

CSV, NDJSON = Form.CSV.value, Form.NDJSON.value


async def exported(desk: Desk, name: str, form: str, query: str = "") -> httpx.Response:
    answer = await desk.user.get(f"/v1/{name}{query}", headers={"Accept": form})
    assert answer.status_code == 200, answer.text
    return answer


def flat(document: Json) -> dict[str, str]:
    """Return what a CSV line should contain for the document."""
    cells: dict[str, str] = {}
    for name, value in document.items():
        if name in {"bot", "key"}:
            cells |= {f"{name}_{member}": text or "" for member, text in value.items()}
        elif isinstance(value, dict | bool):
            cells[name] = json.dumps(value, separators=(",", ":"))
        else:
            cells[name] = "" if value in (None, []) else str(value)
    return cells


@pytest.mark.parametrize("name", LISTED)
async def test_an_export_says_what_the_pages_say(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_service, "AT_ONCE", 3)
    desk = await new_desk(world)
    rows = [new_row(name, START + (n // 3) * SECOND) for n in range(7)]
    await desk.add(name, *rows, new_row(name, START, environment="testnet"))
    if name == "signals":
        data = {"why": 'a "word", and\nanother', "n": [1]}
        await desk.add(name, new_row(name, START, data=data, acted=True))
    pages = (await desk.user.get(f"/v1/{name}")).json()["items"]

    ndjson = await exported(desk, name, NDJSON, "?limit=2")
    text = await exported(desk, name, CSV, "?limit=2")

    assert ndjson.headers["content-type"] == NDJSON
    assert ndjson.headers["content-disposition"] == f'attachment; filename="{name}-live.ndjson"'
    assert [json.loads(line) for line in ndjson.text.splitlines()] == pages
    assert text.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert text.headers["content-disposition"] == f'attachment; filename="{name}-live.csv"'
    assert text.headers.get_list("vary")[0] == ndjson.headers.get_list("vary")[0] == "Accept"
    assert list(csv.DictReader(io.StringIO(text.text, newline=""))) == [flat(d) for d in pages]
    assert text.text.endswith("\r\n")


async def test_filters_environment_cursor_and_marks_hold_for_exports_too(world: World) -> None:
    desk = await new_desk(world)
    await desk.add(
        "trades",
        *(new_row("trades", START + n * SECOND, id=f"t{n}") for n in range(4)),
        new_row("trades", START, id="other", symbol="X-1"),
        new_row("trades", START, id="testnet", environment="testnet"),
    )
    first = (await desk.user.get("/v1/trades?limit=1")).json()

    async def ids(query: str) -> list[str]:
        lines = (await exported(desk, "trades", NDJSON, query)).text.splitlines()
        return [json.loads(line)["id"] for line in lines]

    assert await ids("?environment=testnet") == ["testnet"]
    assert await ids("?symbol=X-1") == ["other"]
    assert (await ids(f"?cursor={first['next_cursor']}"))[:2] == ["t2", "t1"]
    bad = await desk.user.get("/v1/trades?cursor=x", headers={"Accept": CSV})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_request")


async def test_what_is_deleted_while_an_export_is_sent_is_not_in_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_service, "AT_ONCE", 2)
    desk = await new_desk(world)
    await desk.add("trades", *(new_row("trades", START + n * SECOND, id=f"t{n}") for n in range(6)))
    database = world.context.database
    rows = ListRepository(executor=database.autocommit, account_id=desk.account_id)
    service = ListService(rows=rows, executor=database.autocommit, account_id=desk.account_id)

    found = []
    data = await service.data_set(None)
    async for documents in service.pages(TRADES, data, ListFilter(), None):
        found += [document["id"] for document in documents]
        if len(found) == 2:
            await desk.mark(Mark("live", None, START + 3 * SECOND))

    assert found == ["t5", "t4", "t3"]


async def gather(answer: httpx.Response, got: list[bytes]) -> None:
    async for part in answer.aiter_raw():
        got.append(part)  # noqa: PERF401  # what arrived before a failure is needed too


async def test_an_export_that_fails_on_the_way_ends_the_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_service, "AT_ONCE", 1)
    desk = await new_desk(world)
    await desk.add("trades", new_row("trades", START, id="a"), new_row("trades", START, id="b"))
    whole = ListRepository.page

    async def once(
        self: ListRepository, reading: Any, data: Any, wanted: Any, after: Any, limit: int
    ) -> Any:
        if after is not None:
            raise OSError
        return await whole(self, reading, data, wanted, after, limit)

    monkeypatch.setattr(ListRepository, "page", once)
    headers = {"Authorization": f"Bearer {desk.user.token}", "Accept": CSV}
    got: list[bytes] = []
    async with (
        streaming(world, StreamLimits()) as server,
        server.http.stream("GET", "/v1/trades", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await gather(answer, got)
    assert b"".join(got).count(b"\r\n") == 2
    quota = world.context.exports
    for _ in range(exports.OF_ONE_ACCOUNT):
        quota.take(desk.account_id)
    for _ in range(exports.OF_ONE_ACCOUNT):
        quota.give_back(desk.account_id)


@pytest.mark.parametrize("name", LISTED)
async def test_an_empty_list_is_a_header_and_nothing_else(world: World, name: str) -> None:
    desk = await new_desk(world)

    text = (await exported(desk, name, CSV)).text

    (members,) = [data_list.members for data_list in LISTS if data_list.name == name]
    header = ["id", "bot_id", "bot_name", "key_id", "key_label", *members]
    assert text == ",".join(f'"{member}"' for member in header) + "\r\n"
    assert (await exported(desk, name, NDJSON)).content == b""


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])  # noqa: RUF001
async def test_a_text_that_a_spreadsheet_would_run_is_disarmed(begins: str) -> None:
    bot = {"id": uuid4(), "name": f"{begins}cmd|' /C calc'!A0"}
    document = {"id": "1", "bot": bot, "key": None, "pnl": Decimal("-1.50"), "note": begins}

    written = CsvLines(["pnl", "note"]).write([document]).decode()

    (row,) = list(csv.reader(io.StringIO(written, newline="")))
    assert row == ["1", str(bot["id"]), f"'{bot['name']}", "", "", "-1.5", f"'{begins}"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("between", [";", "\t", "\n", "\r\n", '";"', ';"'])
async def test_no_program_finds_a_formula_whatever_it_splits_lines_at(
    separator: str, between: str
) -> None:
    """A program in a German locale splits at semicolons, and reads our quotation marks as text."""
    bot = {"id": uuid4(), "name": f"grid{between}=cmd|' /C calc'!A0"}
    document = {"id": "1", "bot": bot, "key": None, "pnl": Decimal("-1.50")}

    written = CsvLines(["pnl"]).write([document]).decode()

    assert written.startswith('"1","')
    assert written.endswith('","-1.5"\r\n')
    quoted = csv.reader(io.StringIO(written, newline=""), delimiter=separator)
    literal = csv.reader(
        io.StringIO(written, newline=""), delimiter=separator, quoting=csv.QUOTE_NONE
    )
    cells = [cell for row in (*quoted, *literal) for cell in row]
    assert any("cmd" in cell for cell in cells)
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


def test_values_are_written_as_in_json() -> None:
    values: Json = {
        "at": datetime(2026, 11, 22, 1, 2, 3, 45, tzinfo=UTC),
        "large": Decimal("1E+3"),
        "no": None,
        "yes": True,
        "data": {"a": "=1"},
        "count": -3,
    }
    document = {"id": "é", "bot": None, "key": None, **values}

    (row,) = csv.reader([CsvLines(list(values)).write([document]).decode()])

    assert row[5:] == ["2026-11-22T01:02:03.000045Z", "1000", "", "true", '{"a":"=1"}', "-3"]
    line = json.loads(NdjsonLines().write([{"at": values["at"]}]))
    assert line == {"at": "2026-11-22T01:02:03.000045Z"}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.JSON),
        ("", Form.JSON),
        ("*/*", Form.JSON),
        ("application/*", Form.JSON),
        ("text/csv", Form.CSV),
        ("Text/CSV; header=present", Form.CSV),
        ("text/*", Form.CSV),
        ("application/x-ndjson", Form.NDJSON),
        ("application/x-ndjson, */*", Form.NDJSON),
        ("application/json, text/plain, */*", Form.JSON),
        ("text/csv, application/json", Form.JSON),
        ("text/csv;q=0.5, application/json;q=0.4", Form.CSV),
        ("text/csv;q=0.5, application/json", Form.JSON),
        ("text/csv;q=0, */*;q=0.1", Form.JSON),
        ("application/json;q=0, */*", Form.CSV),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form.JSON),
        ("image/png", Form.JSON),
        ("text/csv;q=2", Form.JSON),
        ("text/csv;q=nonsense", Form.JSON),
        (";;,,;q=,\x00", Form.JSON),
    ],
)
async def test_the_form_is_the_one_that_the_caller_likes_best(
    accept: str | None, form: Form
) -> None:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    assert await wanted_form(Request({"type": "http", "headers": headers})) is form


class Reader:
    """Accepts data when the test allows it, and counts the pages that were read for it."""

    def __init__(self, pages: int, fails_at: int | None = None) -> None:
        self.read = 0
        self.closed = False
        self.sent: list[dict[str, Any]] = []
        self.was_read = asyncio.Semaphore(0)
        self.may_take = asyncio.Semaphore(0)
        self._pages = pages
        self._fails_at = fails_at

    async def pages(self) -> AsyncGenerator[list[Json], None]:
        try:
            for number in range(self._pages):
                if number == self._fails_at:
                    raise OSError
                self.read += 1
                self.was_read.release()
                yield [{"number": number}]
        finally:
            self.closed = True

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            await self.may_take.acquire()
        self.sent.append(message)

    async def receive(self) -> Any:
        await asyncio.Event().wait()

    async def run(self, answer: Export) -> None:
        await answer({"type": "http", "asgi": {"spec_version": "2.3"}}, self.receive, self.send)

    @property
    def whole(self) -> bool:
        return self.sent[-1].get("more_body") is False


ACCOUNT = UUID(int=1)
OPTIONS: dict[str, Any] = {"media_type": NDJSON, "filename": "x"}


async def begin(reader: Reader, quota: ExportQuota, account: UUID = ACCOUNT) -> Export:
    return await export(quota, account, reader.pages(), NdjsonLines(), **OPTIONS)


async def test_a_page_is_read_when_the_one_before_was_taken() -> None:
    reader, quota = Reader(5), ExportQuota()
    running = asyncio.create_task(reader.run(await begin(reader, quota)))

    for taken in range(5):
        async with asyncio.timeout(60):
            await reader.was_read.acquire()
        for _ in range(20):
            await asyncio.sleep(0)
        assert reader.read == taken + 1
        reader.may_take.release()
    reader.may_take.release()
    await running

    assert reader.whole
    bodies = [message.get("body", b"") for message in reader.sent]
    assert b"".join(bodies) == b"".join(b'{"number":%d}\n' % n for n in range(5))


async def test_a_failure_before_the_first_page_is_still_a_problem_and_frees_the_place() -> None:
    quota = ExportQuota()
    for _ in range(exports.OF_ONE_ACCOUNT + 1):
        with pytest.raises(OSError):  # noqa: PT011  # its class is enough
            await begin(Reader(3, fails_at=0), quota)


async def test_a_failure_on_the_way_leaves_the_body_without_an_end() -> None:
    reader, quota = Reader(3, fails_at=2), ExportQuota()
    for _ in range(9):
        reader.may_take.release()

    with pytest.raises(OSError):  # noqa: PT011  # as above
        await reader.run(await begin(reader, quota))

    assert not reader.whole
    assert len(reader.sent) == 3
    quota.take(ACCOUNT)
    quota.take(ACCOUNT)


async def test_one_who_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, quota = Reader(3), ExportQuota()
    answer = await begin(reader, quota)
    monkeypatch.setattr(answer, "_patience", 0.01)

    await reader.run(answer)

    assert not reader.whole
    assert reader.read == 1
    quota.take(ACCOUNT)
    quota.take(ACCOUNT)


async def test_only_so_many_are_sent_at_once() -> None:
    quota = ExportQuota()
    accounts = [UUID(int=n) for n in range(exports.IN_ALL)]
    for _ in range(exports.OF_ONE_ACCOUNT):
        quota.take(accounts[0])
    with pytest.raises(RateLimited):
        quota.take(accounts[0])
    for account in accounts[1 : exports.IN_ALL - exports.OF_ONE_ACCOUNT + 1]:
        quota.take(account)
    with pytest.raises(Unavailable):
        quota.take(accounts[-1])
    quota.give_back(accounts[0])
    quota.take(accounts[-1])


async def test_the_last_place_is_for_an_account_that_has_none() -> None:
    """Rule R41."""
    quota = ExportQuota()
    greedy, modest, late = (UUID(int=n) for n in range(3))
    quota.take(greedy)
    quota.take(greedy)
    quota.take(modest)
    with pytest.raises(Unavailable):
        quota.take(modest)
    quota.take(late)


async def test_an_account_that_has_its_share_must_wait(world: World) -> None:
    desk = await new_desk(world)
    quota = world.context.exports
    for _ in range(exports.OF_ONE_ACCOUNT):
        quota.take(desk.account_id)
    try:
        answer = await desk.user.get("/v1/trades", headers={"Accept": CSV})
        page = await desk.user.get("/v1/trades")
    finally:
        for _ in range(exports.OF_ONE_ACCOUNT):
            quota.give_back(desk.account_id)

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "5"
    assert page.status_code == 200
    await exported(desk, "trades", CSV)
