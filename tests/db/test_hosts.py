"""An address with several hosts: the one that takes writes is found whatever the others do."""

import asyncio
import time
from typing import Any

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.db.engine import driver_url, open_database
from app.db.hosts import AGAIN, HEAD_START, Connector, spread_hosts
from tests.support.database import Server

OPTIONS: dict[str, Any] = {"host": ["a", "b", "c"], "port": [5432] * 3, "timeout": 20.0}
SOON = 2.0


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("postgresql://u:p@a,b/name", (["a", "b"], [5432, 5432], "read-write")),
        ("postgresql://u:p%40@a:1,b:2/name", (["a", "b"], [1, 2], "read-write")),
        (
            "postgresql://u@a,b:2/name?target_session_attrs=any",
            (["a", "b"], [5432, 2], "any"),
        ),
    ],
)
def test_hosts_are_written_as_for_libpq(given: str, hosts: tuple[Any, ...]) -> None:
    url = driver_url(given)
    options = PGDialect_asyncpg().create_connect_args(url)[1]  # type: ignore[no-untyped-call]

    assert (options["host"], options["port"], options["target_session_attrs"]) == hosts
    assert (options["user"], options["database"]) == ("u", "name")


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@a/name", "postgresql:///name?host=/folder", "postgresql://u@[::1]/n"]
)
def test_an_address_with_one_host_stays_as_it_is(url: str) -> None:
    assert spread_hosts(url) == url


class _Hosts:
    """A cluster: what each host does with a connection."""

    def __init__(self, connection: Any, **hosts: Any) -> None:
        self.connection = connection
        self.hosts = hosts
        self.asked: list[str] = []

    async def __call__(self, *, host: str, **_: Any) -> Any:
        self.asked.append(host)
        does = self.hosts[host]
        if does == "silent":
            await asyncio.sleep(60)
        if does == "leader":
            return self.connection
        raise does


REFUSED = ConnectionRefusedError()
STANDBY = asyncpg.TargetServerAttributeNotMatched("a standby")


@pytest.fixture
async def connection(server: Server) -> Any:
    database = open_database(server.superuser, application_name="botkeys-tests", pool_size=None)
    async with database.engine.connect() as lent:
        yield (await lent.get_raw_connection()).driver_connection
    await database.close()


@pytest.mark.parametrize(
    "others", [("silent", REFUSED), (REFUSED, STANDBY), ("silent", "silent"), (STANDBY, "silent")]
)
async def test_the_leader_is_found_beside_hosts_that_are_dead(
    connection: Any, others: tuple[Any, Any]
) -> None:
    cluster = _Hosts(connection, a=others[0], b=others[1], c="leader")
    connect = Connector(cluster)

    began = time.monotonic()
    assert await connect(**OPTIONS) is connection
    assert time.monotonic() - began < HEAD_START + SOON

    cluster.asked.clear()
    assert await connect(**OPTIONS) is connection
    assert cluster.asked == ["c"]


async def test_a_standby_that_takes_over_is_found_while_the_old_leader_is_silent(
    connection: Any,
) -> None:
    cluster = _Hosts(connection, a="silent", b=STANDBY, c=STANDBY)
    connecting = asyncio.create_task(Connector(cluster)(**OPTIONS))
    async with asyncio.timeout(20):
        while cluster.asked.count("b") < 2:  # noqa: ASYNC110  # a fake has no event
            await asyncio.sleep(AGAIN / 10)

    began = time.monotonic()
    cluster.hosts["b"] = "leader"
    assert await connecting is connection
    assert time.monotonic() - began < AGAIN + SOON


async def test_if_every_host_refuses_nobody_waits(connection: Any) -> None:
    cluster = _Hosts(connection, a=REFUSED, b=STANDBY, c=REFUSED)

    began = time.monotonic()
    with pytest.raises((ConnectionRefusedError, asyncpg.TargetServerAttributeNotMatched)):
        await Connector(cluster)(**OPTIONS)
    assert time.monotonic() - began < HEAD_START + SOON


async def test_silent_hosts_end_in_a_time_out(connection: Any) -> None:
    cluster = _Hosts(connection, a="silent", b="silent", c="silent")

    with pytest.raises(TimeoutError):
        await Connector(cluster)(**{**OPTIONS, "timeout": 0.3})


async def test_a_pool_with_a_dead_host_in_its_address_serves(server: Server) -> None:
    where = driver_url(server.superuser)
    host, port = where.query.get("host", where.host), where.query.get("port", where.port or 5432)
    url = (
        f"postgresql://{where.username}@/postgres?host=/nowhere:5432&host={host}:{port}"
        "&target_session_attrs=read-write"
    )
    database = open_database(url, application_name="botkeys-tests", pool_size=1)
    try:
        async with database.engine.connect() as lent:
            assert await lent.exec_driver_sql("SELECT 1")
    finally:
        await database.close()
