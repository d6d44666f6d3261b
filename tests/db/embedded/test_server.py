"""Starting, stopping and finding the data again."""

import asyncio
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from app.db.embedded import ClusterInUse, EmbeddedPostgres, StartAborted, StartFailed


async def ask(url: str, question: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def keep(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP TABLE IF EXISTS kept")
        await connection.execute("CREATE TABLE kept (text text)")
        await connection.execute("INSERT INTO kept VALUES ($1)", text)
    finally:
        await connection.close()


async def kept(url: str) -> Any:
    return await ask(url, "SELECT string_agg(text, ' ') FROM kept")


def creation_begins(postgres: EmbeddedPostgres) -> None:
    while not postgres.folder.with_name("postgres.new").exists():
        time.sleep(0.001)


async def test_the_first_start_makes_the_roles_and_the_database(fresh: EmbeddedPostgres) -> None:
    began = time.monotonic()
    await fresh.start()
    assert time.monotonic() - began < 60
    rights = (
        "SELECT array[rolsuper, rolcreaterole, rolcreatedb] FROM pg_roles "
        "WHERE rolname = current_user"
    )
    assert await ask(fresh.url("postgres"), rights) == [True, True, True]
    assert await ask(fresh.url("botkeys_owner"), rights) == [False, True, True]
    assert await ask(fresh.url("botkeys_service"), rights) == [False, False, False]
    assert await ask(fresh.url(), "SHOW server_encoding") == "UTF8"
    assert await ask(fresh.url("botkeys_owner"), "SELECT pg_catalog.lower('ÄÖ')") == "äö"


async def test_the_service_can_neither_make_tables_nor_enter_other_databases(
    quick: EmbeddedPostgres,
) -> None:
    await quick.start()
    for statement in ("CREATE TABLE mine ()", "CREATE TEMP TABLE mine ()", "CREATE ROLE mine"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(quick.url(), statement)
    for database in ("postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(quick.url(database=database), "SELECT 1")


async def test_the_owner_can_make_databases_that_the_service_can_enter(
    quick: EmbeddedPostgres,
) -> None:
    await quick.start()
    owner = quick.url("botkeys_owner", "postgres")
    await ask(owner, "DROP DATABASE IF EXISTS copy")
    await ask(owner, "CREATE DATABASE copy TEMPLATE botkeys")
    assert await ask(quick.url(database="copy"), "SELECT current_database()") == "copy"
    await ask(owner, "DROP DATABASE copy")


async def test_the_second_start_finds_the_data(made: Path) -> None:
    # The durable settings of the product, without the tests' shortcut.
    async with EmbeddedPostgres(made) as first:
        assert await ask(first.url(), "SHOW fsync") == "on"
        assert await ask(first.url(), "SHOW full_page_writes") == "on"
        assert await ask(first.url(), "SHOW synchronous_commit") == "on"
        await keep(first.url("botkeys_owner"), "before")
    began = time.monotonic()
    async with EmbeddedPostgres(made) as second:
        assert time.monotonic() - began < 60
        assert await kept(second.url("botkeys_owner")) == "before"


async def test_stopping_takes_seconds_and_leaves_nothing_even_with_a_busy_client(
    quick: EmbeddedPostgres, ended: Callable[..., bool]
) -> None:
    await quick.start()
    server = psutil.Process(quick.pid)
    everyone = [server, *server.children(recursive=True)]
    client = await asyncpg.connect(quick.url())
    busy = asyncio.ensure_future(client.execute("SELECT pg_sleep(600)"))
    await asyncio.sleep(0)
    began = time.monotonic()
    await quick.stop()
    assert time.monotonic() - began < 60
    assert ended(everyone)
    assert not list(quick.socket_folder.glob(".s.*"))
    assert quick.pid is None
    with pytest.raises((asyncpg.PostgresError, ConnectionError)):
        await busy
    client.terminate()


def test_the_plain_form_starts_and_stops(made: Path) -> None:
    with EmbeddedPostgres(made, settings={"fsync": "off"}) as postgres:
        assert postgres.pid is not None
        server = psutil.Process(postgres.pid)
    assert not server.is_running()
    postgres.stop_sync()  # stopping twice changes nothing


async def test_a_killed_server_is_reported_and_recovers(quick: EmbeddedPostgres) -> None:
    await quick.start()
    await keep(quick.url("botkeys_owner"), "committed")
    assert quick.pid is not None
    psutil.Process(quick.pid).kill()
    assert await asyncio.wait_for(quick.wait(), 60) == -signal.SIGKILL
    assert quick.pid is None
    await quick.stop()
    await quick.start()
    assert await kept(quick.url("botkeys_owner")) == "committed"


async def test_waiting_is_over_when_the_server_is_stopped(quick: EmbeddedPostgres) -> None:
    await quick.start()
    waiting = asyncio.ensure_future(quick.wait())
    given_up = asyncio.ensure_future(quick.wait())
    await asyncio.sleep(0)
    given_up.cancel()
    await quick.stop()
    assert await waiting == 0


async def test_children_of_a_killed_server_are_ended_before_the_next(
    quick: EmbeddedPostgres, ended: Callable[..., bool]
) -> None:
    await quick.start()
    client = await asyncpg.connect(quick.url())
    orphan = psutil.Process(client.get_server_pid())
    # A loop in SQL reacts to signals, but never checks whether its parent is alive.
    busy = asyncio.ensure_future(
        client.execute("SELECT count(*) FROM generate_series(1, 1000000000000)")
    )
    observer = await asyncpg.connect(quick.url("postgres"))
    running = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'"
    while not await observer.fetchval(running, orphan.pid):
        pass
    observer.terminate()
    assert quick.pid is not None
    psutil.Process(quick.pid).kill()
    await quick.wait()
    await quick.stop()
    assert not ended([orphan], 0)
    await quick.start()
    assert ended([orphan], 0)
    assert await ask(quick.url(), "SELECT 1") == 1
    with pytest.raises((asyncpg.PostgresError, ConnectionError)):
        await busy
    client.terminate()


async def test_a_process_id_in_use_again_is_not_taken_for_the_server(
    quick: EmbeddedPostgres, bystander: Callable[[int], psutil.Process]
) -> None:
    await quick.start()
    assert quick.pid is not None
    psutil.Process(quick.pid).kill()
    await quick.wait()
    await quick.stop()
    innocent = bystander(quick.folder.stat().st_uid)
    pid_file = quick.folder / "postmaster.pid"
    _, _, rest = pid_file.read_text().partition("\n")
    pid_file.write_text(f"{innocent.pid}\n{rest}")
    (quick.socket_folder / ".s.PGSQL.5432.lock").write_text(f"{innocent.pid}\n{rest}")
    await quick.start()
    assert innocent.is_running()
    assert quick.pid != innocent.pid


async def test_a_second_supervisor_in_the_same_process_is_refused(quick: EmbeddedPostgres) -> None:
    await quick.start()
    with pytest.raises(ClusterInUse):
        await EmbeddedPostgres(quick.folder).start()
    assert await ask(quick.url(), "SELECT 1") == 1


async def test_a_cancelled_start_leaves_nothing(fresh: EmbeddedPostgres) -> None:
    starting = asyncio.ensure_future(fresh.start())
    await asyncio.to_thread(creation_begins, fresh)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert fresh.pid is None
    assert not fresh.folder.exists()
    assert not fresh.folder.with_name("postgres.new").exists()
    await fresh.start()
    assert await ask(fresh.url(), "SELECT 1") == 1


async def test_stopping_ends_a_start_that_is_under_way(fresh: EmbeddedPostgres) -> None:
    starting = asyncio.ensure_future(fresh.start())
    await asyncio.to_thread(creation_begins, fresh)
    await fresh.stop()
    with pytest.raises(StartAborted):
        await starting


async def test_an_odd_path_works_from_the_first_start_on(short_path: Path) -> None:
    folder = short_path / 'it\'s, a "d" fö%2F@?' / "postgres"
    async with EmbeddedPostgres(folder, settings={"fsync": "off"}) as postgres:
        assert await ask(postgres.url(), "SELECT current_user") == "botkeys_service"


def test_a_long_path_has_its_socket_in_a_private_folder_elsewhere(long_folder: Path) -> None:
    with EmbeddedPostgres(long_folder, settings={"fsync": "off"}) as postgres:
        sockets = postgres.socket_folder
        assert not sockets.is_relative_to(long_folder)
        status = sockets.lstat()
        assert stat.S_ISDIR(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o700
        assert status.st_uid == long_folder.stat().st_uid
        assert (sockets / ".s.PGSQL.5432").is_socket()
    assert not sockets.exists()


@pytest.mark.torture
async def test_a_slow_start_is_reported_and_waited_for(made: Path) -> None:
    loop, reported = asyncio.get_running_loop(), asyncio.Queue[float]()

    def tell(seconds: float) -> None:
        loop.call_soon_threadsafe(reported.put_nowait, seconds)

    postgres = EmbeddedPostgres(made, settings={"fsync": "off"}, on_wait=tell)

    async def twice() -> tuple[float, float]:
        return await reported.get(), await reported.get()

    while True:
        starting, waited = asyncio.ensure_future(postgres.start()), asyncio.ensure_future(twice())
        await asyncio.to_thread(has_process, postgres)
        server = psutil.Process(postgres.pid)
        server.suspend()
        await asyncio.wait({starting, waited}, return_when=asyncio.FIRST_COMPLETED)
        is_waiting = not starting.done()
        server.resume()
        if is_waiting:
            break
        # It was ready before it was suspended: try again.
        waited.cancel()
        await starting
        await postgres.stop()
    first, second = await waited
    assert first >= 5
    assert second >= first + 5
    await starting
    assert await ask(postgres.url(), "SELECT 1") == 1
    await postgres.stop()


def has_process(postgres: EmbeddedPostgres) -> None:
    while postgres.pid is None:
        time.sleep(0.001)


async def test_a_client_is_not_led_astray_by_the_environment(
    quick: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "5433")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    await quick.start()
    assert await ask(quick.url(), "SHOW port") == "5432"


async def test_a_setting_that_the_server_refuses_is_reported_with_the_log(made: Path) -> None:
    postgres = EmbeddedPostgres(made, settings={"perhaps": "on"})
    with pytest.raises(StartFailed) as caught:
        await postgres.start()
    assert str(postgres.log) in str(caught.value)
    assert "perhaps" not in str(caught.value)
    assert "perhaps" in postgres.log.read_text()
    async with EmbeddedPostgres(made, settings={"fsync": "off"}) as repaired:
        assert await ask(repaired.url(), "SELECT 1") == 1
