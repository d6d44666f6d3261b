"""The outbox in a file: what a bot reported outlives its process."""

import asyncio
import itertools
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.custody.bot_token import mint
from botkeys.client import (
    BotClient,
    NotAuthenticated,
    OutboxUnusable,
    ReportsPending,
    TooManyReports,
)
from botkeys.client.records import Kind
from tests.sdk.client.books import Books, opened_books
from tests.sdk.client.conftest import Service, make_service
from tests.sdk.client.reporting import PATIENCE, Reporting
from tests.sdk.client.reporting_bot import position
from tests.sdk.client.runtime import Runtime


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.outbox"


@pytest.fixture
def books() -> Iterator[Books]:
    with opened_books() as opened:
        yield opened


@pytest.fixture
def bot(books: Books, path: Path, service: Service) -> Iterator[Reporting]:
    with closing(Reporting(books.url, path, service.token)) as reporting:
        yield reporting


async def waiting(bot: BotClient) -> int:
    """Return how many reports wait, of a bot in an outage."""
    with pytest.raises(ReportsPending) as caught:
        await bot.flush(0.01)
    return caught.value.count


def test_nothing_that_was_taken_is_lost_with_its_process(books: Books, bot: Reporting) -> None:
    """R64: killed in an outage, then stopped in one; and through all of it nothing is printed."""
    books.down = True
    killed = bot.start(0, 275)
    bot.until(killed, lambda: bot.taken[-1:] == ["done"] and books.refused > 5)
    bot.end(killed, signal.SIGKILL)
    stopped = bot.start(275, 148)
    bot.until(stopped, lambda: bot.taken[-1:] == ["done"] and len(bot.taken) == 275 + 148 + 2)
    bot.end(stopped, signal.SIGTERM)
    assert not books.stored

    books.down = False
    bot.deliver()

    assert set(books.stored) == {f"trades/p{number}" for number in range(275 + 148)}
    assert set(books.received.values()) == {1}
    assert {name: stored["exit_price"] for name, stored in books.positions.items()} == {
        "p0": "275",
        "p275": str(275 + 148),
    }


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_whenever_a_bot_is_killed_its_trades_arrive_once(books: Books, bot: Reporting) -> None:
    """R64: between recording, sending, answer and dropping."""
    chance = random.Random(12)  # noqa: S311  # repeatable, guards nothing
    first = 0
    for turn in range(20):
        books.down = turn % 3 == 0
        process = bot.start(first, 3000)
        before = len(bot.taken)
        some = chance.randint(1, 2000)
        bot.until(process, lambda at_least=before + some: len(bot.taken) >= at_least)  # type: ignore[misc]
        time.sleep(chance.random() * 0.2)
        bot.end(process, chance.choice((signal.SIGKILL, signal.SIGTERM)))
        first += 3000
    books.down = False
    bot.deliver()

    taken = {f"trades/p{number}" for number in bot.taken if number != "done"}
    # A trade may have been recorded and not yet noted as taken when its process was killed.
    assert taken <= set(books.stored)
    assert len(set(books.stored) - taken) <= 20


@pytest.mark.torture
def test_a_full_disk_refuses_the_report_and_loses_none_before_it(
    books: Books, bot: Reporting
) -> None:
    """R64."""
    books.down = True
    full = bot.start(0, 5000, "--file-size", str(256 * 1024))
    bot.until(full, lambda: bot.taken[-1:] == ["done"])
    assert bot.taken[-2] == "outbox_unusable"
    bot.end(full, signal.SIGKILL)
    books.down = False
    bot.deliver()
    taken = {f"trades/p{number}" for number in bot.taken[:-2]}
    assert set(books.stored) == taken
    assert len(taken) > 10


@asynccontextmanager
async def in_an_outage(service: Service, path: Path, **options: Any) -> AsyncIterator[BotClient]:
    """Yield a client whose reports all stay; it ends without the usual attempt to deliver them."""
    client = Runtime(service, down=True).client(outbox=path, **options)
    try:
        yield client
    finally:
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)


def fill(bot: BotClient) -> int:
    """Return how many events the client takes until one is refused."""
    for number in itertools.count():
        try:
            bot.record_event("noise", "x" * 1900, record_id=f"v{number}")
        except TooManyReports:
            return number
    raise AssertionError("it takes any number")


def report_everything(bot: BotClient) -> None:
    bot.record_trade(position(1))
    bot.record_funding("BTC-USDT-SWAP", Decimal("-1.25"), "USDT", record_id="f1")
    bot.record_equity(Decimal(10_250), "USDT", record_id="e1")
    bot.record_signal("BTC-USDT-SWAP", "breakout", "long", record_id="s1")
    bot.record_event("reconnected", "The feed was away.", record_id="v1")
    bot.opened(position(2).model_copy(update={"status": "opening"}), entry_price=Decimal(97_000))
    bot.close_position(position(2), exit_price=Decimal(98_000))


async def test_every_kind_of_report_waits_and_is_delivered_once(
    service: Service, path: Path
) -> None:
    """R64."""
    async with in_an_outage(service, path) as bot:
        report_everything(bot)

    runtime = Runtime(service)
    async with runtime.client(outbox=path) as bot:
        held = await bot.positions()
        await bot.flush(PATIENCE)
    assert held == []
    assert {name.partition("/")[0] for name in runtime.records} == set(Kind)
    of_position = [call.body["status"] for call in runtime.to("positions/")]
    assert of_position == ["open", "closed"]
    calls = len(runtime.calls)
    async with runtime.client(outbox=path) as bot:
        await bot.flush(PATIENCE)
    assert len(runtime.calls) == calls


async def test_a_report_keeps_its_revision_and_later_ones_have_higher_ones(
    service: Service, path: Path
) -> None:
    """R64: also if the clock was set back while the bot was away."""
    opened = position(1).model_copy(update={"status": "open"})
    async with in_an_outage(service, path) as bot:
        bot.report(opened)

    runtime = Runtime(service)
    behind = datetime.now(UTC) - timedelta(hours=1)
    async with runtime.client(outbox=path, clock=lambda: behind) as bot:
        bot.close_position(opened, exit_price=Decimal(98_000))
        await bot.flush(PATIENCE)
    first, second = (call.body for call in runtime.to("positions"))
    assert (first["status"], second["status"]) == ("open", "closed")
    assert second["revision"] == first["revision"] + 1


async def test_an_outbox_is_held_by_one_client_at_a_time(service: Service, path: Path) -> None:
    """R64: in this process and in others, until it is closed or its process ends."""
    holder = (
        "import sqlite3, sys\n"
        "sqlite3.connect(sys.argv[1], 0, isolation_level=None).execute('BEGIN EXCLUSIVE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    async with in_an_outage(service, path) as bot:
        bot.record_trade(position(1))
        for _ in range(2):  # a refused one must not release the lock of the first
            with pytest.raises(OutboxUnusable, match="in use by another client or process"):
                Runtime(service).client(outbox=path)
        trying = subprocess.run(  # noqa: S603, ASYNC221  # our own interpreter
            [sys.executable, "-c", holder, f"{path}.lock"], capture_output=True, check=False
        )
        assert b"database is locked" in trying.stderr
    with subprocess.Popen(  # noqa: S603, ASYNC220
        [sys.executable, "-c", holder, f"{path}.lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(OutboxUnusable, match="in use"):
            Runtime(service).client(outbox=path)
        other.kill()
    async with in_an_outage(service, path) as bot:
        assert await waiting(bot) == 1


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4096)


def scribble(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(range(256)) * 16)


def open_to_all(path: Path) -> None:
    path.touch()
    path.chmod(0o644)


def no_database(path: Path) -> None:
    path.write_bytes(b"trades of yesterday\n" * 1000)


def other_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE users (name TEXT)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 2")


def nonsense(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE reports SET position = '{\"id\": 7}'")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (cut, "is damaged"),
        (scribble, "is damaged"),
        (no_database, "is damaged"),
        (nonsense, "is damaged"),
        (other_database, "is not an outbox"),
        (newer, r"later release \(format 2\)"),
        (folder, "cannot be used"),
    ],
)
async def test_a_file_that_is_not_this_bot_s_outbox_is_left_as_it_is(
    service: Service, path: Path, harm: Callable[[Path], None], why: str
) -> None:
    """R64."""
    async with in_an_outage(service, path) as bot:
        for number in range(200):
            bot.record_trade(position(number))
        bot.report(position(1))
    harm(path)
    before = content_of(path)
    for _ in range(2):
        with pytest.raises(OutboxUnusable, match=why) as caught:
            Runtime(service).client(outbox=path)
    assert caught.value.path == str(path)
    assert "trades of yesterday" not in str(caught.value)
    assert content_of(path) == before


async def test_the_outbox_of_another_bot_is_refused(service: Service, path: Path) -> None:
    """R64."""
    async with in_an_outage(service, path) as bot:
        bot.record_trade(position(1))
    other = make_service()
    other.token = mint(service.binding.account_id, uuid4())
    with pytest.raises(OutboxUnusable, match="belongs to another bot"):
        Runtime(other).client(outbox=path)
    with pytest.raises(OutboxUnusable, match="No such file or directory"):
        Runtime(service).client(outbox=path.parent / "nowhere" / "bot.outbox")


async def test_the_files_are_for_their_user_alone_and_hold_no_secret(
    service: Service, path: Path
) -> None:
    """R64."""
    open_to_all(path)
    runtime = Runtime(service)
    async with runtime.client(outbox=path) as bot:
        await bot.credentials()
        runtime.down = True
        report_everything(bot)
        files = {file: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}
        assert {file.suffix for file in files} == {".outbox", ".outbox-wal", ".outbox-shm", ".lock"}
        for file in files:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        content = b"".join(files.values())
        assert b"breakout" in content
        assert b"PLANTED" not in content
        assert service.token.reveal().encode() not in content
        runtime.down = False


async def test_a_full_queue_refuses_and_the_outbox_has_what_was_taken(
    service: Service, path: Path
) -> None:
    """R64: the bound of the queue in memory is that of the file."""
    async with in_an_outage(service, path) as bot:
        number = fill(bot)
        assert number > 1000
    async with in_an_outage(service, path) as bot:
        assert await waiting(bot) == number
        with pytest.raises(TooManyReports):
            bot.record_event("noise", "x" * 1900)


async def test_recording_waits_for_no_disk_and_for_no_reader(service: Service, path: Path) -> None:
    """R64: what a checkpoint or a backup does meanwhile is no concern of the event loop."""
    async with in_an_outage(service, path) as bot:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM records").fetchall()
            following = asyncio.create_task(bot.run())
            begun = time.perf_counter()
            for number in range(2000):
                bot.record_trade(position(number))
            took = time.perf_counter() - begun
            await asyncio.sleep(0.05)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            assert await waiting(bot) == 2000
    # Some 40 µs each; a disk that is waited for takes milliseconds.
    assert took / 2000 < 0.001


async def test_a_closed_client_takes_nothing(service: Service, path: Path) -> None:
    async with in_an_outage(service, path) as bot:
        pass
    with pytest.raises(OutboxUnusable, match="closed, with its client"):
        bot.record_trade(position(1))


async def test_a_revoked_token_leaves_the_outbox_for_the_next_one(
    service: Service, path: Path
) -> None:
    """R64."""
    runtime = Runtime(service, faults={"trades": (401, {"code": "unauthenticated"})})
    async with runtime.client(outbox=path) as bot:
        bot.record_trade(position(1))
        with pytest.raises(NotAuthenticated):
            await bot.flush(PATIENCE)
    service.token = mint(service.binding.account_id, service.bot_id)
    runtime = Runtime(service)
    async with runtime.client(outbox=path) as bot:
        await bot.flush(PATIENCE)
    assert set(runtime.records) == {"trades/p1"}
