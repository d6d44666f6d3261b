"""Databases other than the embedded one: PostgreSQL 15, a transaction pooler, a full disk."""

import asyncio
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.processes import debian
from tests.processes.conftest import Start
from tests.processes.debian import QUOTED, Debian15
from tests.processes.running import BOTKEYS, ROOT, Service, output_of
from tests.processes.test_stream_across_processes import configs
from tests.processes.trading import new_key, new_trader, sent

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]
OWNER = "botkeys_owner"


@pytest.fixture(scope="module")
def server() -> Iterator[Debian15]:
    with debian.debian15() as running:
        password = f"PASSWORD '{debian.PASSWORD}'"
        running.run(f"CREATE ROLE {OWNER} LOGIN CREATEROLE {password}")
        yield running


@pytest.fixture
def database(server: Debian15) -> str:
    name = f"botkeys_{uuid4().hex}"
    server.run(f"CREATE DATABASE {name} OWNER {OWNER}")
    return name


def trades(service: Service) -> None:
    """Take a key all the way to a bot that opens it, on any database."""
    with service.http(service.token()) as http:
        for exchange in ("okx", "binance"):
            trader = new_trader(http, http, new_key(exchange))
            assert trader.opens(service.address)
        listed = sent(http.get("/v1/keys?environment=testnet"), 200)["items"]
        assert {key["exchange"] for key in listed} == {"okx", "binance"}
        assert sent(http.get("/v1/audit-events"), 200)["items"]
        sent(http.delete(f"/v1/bots/{trader.bot_id}/key"), 200)
        assert http.delete(f"/v1/keys/{trader.key_id}").status_code == 200


def test_postgresql_15_does_over_tcp_and_then_over_its_socket(
    server: Debian15, database: str, start: Start, tmp_path: Path
) -> None:
    first = start(tmp_path / "data", database_url=server.url(OWNER, database))
    first.ready()
    trades(first)
    assert not (tmp_path / "data" / "postgres").exists()
    first.stops_by_ctrl_c()
    assert QUOTED not in first.text
    assert first.is_clean, first.text

    second = start(tmp_path / "data", database_url=server.socket_url(OWNER, database))
    second.ready()
    with second.http(second.token()) as http:
        assert len(sent(http.get("/v1/keys"), 200)["items"]) == 1
    second.stops_by_ctrl_c()


def test_a_wrong_password_and_a_missing_database_are_reported_in_a_sentence(
    server: Debian15, start: Start, tmp_path: Path
) -> None:
    wrong = server.url(OWNER, "postgres").replace(QUOTED, "wrong")
    for url, expected in (
        (wrong, "The database rejected the login"),
        (server.url(OWNER, "not_there"), "does not exist. Create it first"),
    ):
        service = start(tmp_path / "data", database_url=url)
        assert service.wait() == 1
        assert expected in service.stderr
        assert service.is_clean, service.text


def test_an_installation_works_through_a_transaction_pooler(
    server: Debian15, database: str, start: Start, tmp_path: Path
) -> None:
    with debian.pgbouncer(server, OWNER, database) as pooler:
        service = start(
            tmp_path / "data",
            database_url=server.url(OWNER, database, pooler.port),
            direct_database_url=server.url(OWNER, database),
            database_pool_size=40,
            # Writes of one account are serialized: a hundred take as long as they take.
            database_pool_timeout=60,
            # So long that only a notification can reach a stream in time, and that nothing changes
            # or lapses by itself in the meantime.
            **dict.fromkeys(("stream_reread", "prices_interval", "heartbeat_lease"), 3600),
        )
        service.ready()
        trades(service)
        runs_a_bot(service)
        answers = asyncio.run(_two_hundred_at_once(service))
        assert answers == Counter({("GET", 200): 100, ("POST", 201): 100})
        service.stops_by_ctrl_c()
        assert service.is_clean, service.text


def runs_a_bot(service: Service) -> None:
    """Make all calls of a running bot, first one after the other, then many concurrently."""
    with service.http(service.token()) as user:
        trader = new_trader(user, user, new_key("bybit"))
        [listed] = sent(user.get(f"/v1/keys/{trader.key_id}/instruments?limit=1"), 200)["items"]
        symbol = listed["symbol"]
        asset = {"symbol": symbol, "leverage": "1"}
        sent(user.post(f"/v1/keys/{trader.key_id}/assets", json=asset), 201)
        with service.http(trader.token) as bot:
            config = bot.get("/v1/runtime/config")
            assert sent(config, 200)["may_open_positions"], config.text
            known = {"If-None-Match": config.headers["etag"]}
            assert bot.get("/v1/runtime/config", headers=known).status_code == 304
            beat = sent(bot.post("/v1/runtime/heartbeat"), 200)
            assert beat["config_version"] == config.json()["version"]
            assert sent(user.get(f"/v1/bots/{trader.bot_id}"), 200)["online"]
            for status in ("opening", "open", "closed"):
                report = {"symbol": symbol, "side": "long", "status": status, "quantity": "1"}
                reported = sent(bot.put("/v1/runtime/positions/p", json=report), 200)
                assert reported["status"] == status
            with bot.stream("GET", "/v1/runtime/stream") as answer:
                stream = configs(answer.iter_lines())
                assert next(stream) == config.json()
                sent(user.patch(f"/v1/bots/{trader.bot_id}", json={"paused": True}), 200)
                assert next(stream)["blocked_by"] == ["bot_paused"]
                sent(user.patch(f"/v1/bots/{trader.bot_id}", json={"paused": False}), 200)
                assert next(stream) == config.json()
        answers = asyncio.run(_a_busy_bot(service, trader.token, symbol, known))
        assert answers == Counter({("GET", 304): 60, ("POST", 200): 120, ("PUT", 200): 180})
        trades = sent(user.get("/v1/trades?environment=testnet&limit=200"), 200)["items"]
        assert len(trades) == 60
        held = sent(user.get(f"/v1/bots/{trader.bot_id}"), 200)["open_positions"]
        assert held == 0


async def _a_busy_bot(
    service: Service, token: str, symbol: str, known: dict[str, str]
) -> Counter[tuple[str, int]]:
    """Report sixty positions with their trades, heartbeats and configuration requests."""
    # An idle kept-alive connection may be closed just as the next call begins.
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    limits = httpx.Limits(max_connections=60)
    answers = list[httpx.Response]()
    what = {"symbol": symbol, "side": "long", "quantity": "1"}
    trade = {**what, "entry_price": "1", "exit_price": "2"}
    trade |= dict.fromkeys(("opened_at", "closed_at"), "2026-11-01T00:00:00Z")
    async with httpx.AsyncClient(
        base_url=service.address, headers=headers, timeout=60, limits=limits
    ) as http:

        async def trade_once(number: int) -> None:
            answers.append(await http.post("/v1/runtime/heartbeat"))
            for status in ("opening", "open", "closed"):
                report = {**what, "status": status}
                answers.append(await http.put(f"/v1/runtime/positions/{number}", json=report))
            batch = {"items": [{**trade, "id": str(number)}]}
            answers.append(await http.post("/v1/runtime/trades", json=batch))
            answers.append(await http.get("/v1/runtime/config", headers=known))

        await asyncio.gather(*(trade_once(number) for number in range(60)))
    return Counter((answer.request.method, answer.status_code) for answer in answers)


async def _two_hundred_at_once(service: Service) -> Counter[tuple[str, int]]:
    headers = {"Authorization": f"Bearer {service.token()}"}
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(
        base_url=service.address, headers=headers, timeout=60, limits=limits
    ) as http:
        calls = [http.get("/v1/keys") for _ in range(100)]
        calls += [http.post("/v1/bots", json={"name": f"bot {n}"}) for n in range(100)]
        answers = await asyncio.gather(*calls)
    return Counter((answer.request.method, answer.status_code) for answer in answers)


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("only root may mount a file system")
    with debian.private_folder() as folder:
        done = subprocess.run(  # noqa: S603  # fixed arguments
            [mount, "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "tmpfs", folder],
            check=False,
        )
        if done.returncode != 0:
            pytest.skip("this system does not let root mount a file system")
        try:
            yield folder
        finally:
            subprocess.run([umount, "--lazy", folder], check=True)  # noqa: S603


def test_a_full_disk_is_answered_with_503_and_forgotten_when_there_is_room(
    server: Debian15, start: Start, tmp_path: Path
) -> None:
    with small_disk(40) as disk:
        table_space = disk / "tables"
        table_space.mkdir()
        user = debian.account()
        assert user is not None
        os.chown(table_space, user.pw_uid, user.pw_gid)
        database = f"small_{uuid4().hex}"
        server.run(
            f"CREATE TABLESPACE small LOCATION '{table_space}'",
            f"CREATE DATABASE {database} OWNER {OWNER} TABLESPACE small",
        )
        service = start(tmp_path / "data", database_url=server.url(OWNER, database))
        try:
            service.ready()
            _fill_and_relieve(service, disk)
            service.stops_by_ctrl_c()
            assert service.is_clean, service.text
        finally:
            service.close()
            server.run(f"DROP DATABASE {database} WITH (FORCE)", "DROP TABLESPACE small")


def _fill_and_relieve(service: Service, disk: Path) -> None:
    ballast = disk / "ballast"
    with service.http(service.token()) as http:
        trader = new_trader(http, http, new_key())
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        made, refused = 0, 0
        while refused < 5:
            answer = http.post("/v1/bots", json={"name": f"bot {made} " + "x" * 60})
            if answer.status_code == 201:
                made += 1
                assert made < 2000, "the disk does not get full"
                continue
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            refused += 1
        assert sent(http.get(f"/v1/keys/{trader.key_id}"), 200)["version"] == 1
        ballast.unlink()
        sent(http.post("/v1/bots", json={"name": "the last"}), 201)
        assert _count(http) == made + 2, "what was refused is not there, what was taken is"
        assert trader.opens(service.address)
    verified = output_of(
        BOTKEYS, "audit", "verify", env={**service.settings, **_keys(service)}, cwd=ROOT
    )
    assert "all are intact" in verified


def _count(http: httpx.Client) -> int:
    count, cursor = 0, ""
    while True:
        page = sent(http.get(f"/v1/bots?limit=200{cursor}"), 200)
        count += len(page["items"])
        if page["next_cursor"] is None:
            return count
        cursor = f"&cursor={page['next_cursor']}"


def _keys(service: Service) -> dict[str, str]:
    return {"BOTKEYS_KEYS_DIR": str(service.folder / "keys"), "BOTKEYS_MODE": "development"}
