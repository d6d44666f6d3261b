"""The service on three real nodes of Citus: in production form, and while accounts move.

`BOTKEYS_TEST_DATABASE_URL` with the address of a coordinator runs the other tests there.
"""

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.db.migrate import migrate
from examples.issuer import Issuer
from tests.processes import debian
from tests.processes.books import Books, Writer, adds_bots
from tests.processes.citus import Citus, citus
from tests.processes.clusters import OWNER, same, stored
from tests.processes.production import Installation, installed, is_ready
from tests.processes.running import Running, environment, eventually
from tests.processes.trading import new_key, new_trader, sent
from tests.support.logins import documented_logins

pytestmark = [pytest.mark.torture, pytest.mark.timeout(900)]

PEOPLE = [f"person {number}" for number in range(8)]
"""So many that their accounts lie on every node."""
PAUSE = 10.0
"""Seconds within which somebody's write succeeds, on a machine that is busy with the move too."""
WORKERS = ("catalogue", "purge", "webhooks")


@dataclass(frozen=True, slots=True)
class OnCitus:
    """The addresses of the documented logins at the coordinator."""

    cluster: Citus

    def url(self, login: str, database: str) -> str:
        return self.cluster.url(f"{login}_login", database)


@pytest.fixture
def cluster() -> Iterator[Citus]:
    with citus() as running:
        running.create_logins(f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{debian.PASSWORD}'")
        yield running


@dataclass(slots=True)
class Place:
    """An installation on a database of the cluster, with api and runtime running."""

    cluster: Citus
    installation: Installation
    api: str
    runtime: str
    servers: list[Running]

    def http(self, address: str, person: str) -> httpx.Client:
        return self.installation.http(address, person)


@pytest.fixture
def on_one_node(
    cluster: Citus, tmp_path: Path, oidc: Issuer, exchange_hosts: str
) -> Iterator[Place]:
    """Provide the service on a database whose accounts all lie on the first worker."""
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, OWNER, workers=1)
    yield from _place(cluster, name, tmp_path, oidc, exchange_hosts)


@pytest.fixture
def place(cluster: Citus, tmp_path: Path, oidc: Issuer, exchange_hosts: str) -> Iterator[Place]:
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, OWNER)
    yield from _place(cluster, name, tmp_path, oidc, exchange_hosts)


def _place(
    cluster: Citus, name: str, folder: Path, oidc: Issuer, exchange_hosts: str
) -> Iterator[Place]:
    asyncio.run(migrate(cluster.url(OWNER, name), distribute=True))
    # In this database, so that Citus creates them on the other nodes, and on those to come.
    for login, roles in documented_logins().items():
        password = f"LOGIN PASSWORD '{debian.PASSWORD}'"
        cluster.run(name, f"CREATE ROLE {login}_login {password} IN ROLE {', '.join(roles)}")
    with installed(folder, OnCitus(cluster), name, oidc, exchange_hosts) as installation:
        started = []
        # Runtime first: it registers the master key, without which api seals nothing.
        for role in ("runtime", "api"):
            process, address = installation.serve(role, database_tls="any")
            assert is_ready(process, address), process.text
            started.append((process, address))
        (_, runtime), (_, api) = started
        yield Place(cluster, installation, api, runtime, [process for process, _ in started])
        assert failures(started[0][0]) + failures(started[1][0]) == []


def failures(process: Running) -> list[str]:
    """Return what a process logged of requests that it failed to process."""
    return [line for line in process.text.splitlines() if _FAILED.search(line)]


_FAILED = re.compile(r'"level": ?"error"|Traceback')


def test_the_main_job_is_done_on_three_nodes(place: Place) -> None:
    """R100: each process with its role's rights alone, which reach the nodes with the tables."""
    workers = [
        place.installation.command("worker", "--task", task, role=task, database_tls="any")
        for task in WORKERS
        if task in documented_logins()
    ]
    for person in PEOPLE[:3]:
        with place.http(place.api, person) as api, place.http(place.runtime, person) as runtime:
            trader = new_trader(api, runtime, new_key())
            assert trader.opens(place.runtime)
            bot = {"Authorization": f"Bearer {trader.token}"}
            runtime.headers.update(bot)
            assert sent(runtime.get("/v1/runtime/config"), 200)["key"]["id"] == trader.key_id
            sent(runtime.post("/v1/runtime/heartbeat", json={}), 200)
            listed = sent(api.get("/v1/bots"), 200)["items"]
            assert [each["online"] for each in listed] == [True]
            assert sent(api.get("/v1/audit-events"), 200)["items"]
            answer = api.delete(f"/v1/keys/{trader.key_id}")
            assert (answer.status_code, answer.json()["code"]) == (409, "key_assigned")
            assert api.delete(f"/v1/bots/{trader.bot_id}/key").status_code in (200, 204)
            answer = api.delete(f"/v1/keys/{trader.key_id}", params={"associated_data": "delete"})
            assert answer.status_code == 202, answer.text
            location = f"/v1/operations/{answer.json()['id']}"
            assert eventually(partial(_has_succeeded, api, location)), [
                api.get(location).text,
                *(process.text for process in workers),
                place.cluster.errors.most_common(5),
            ]
    for process in workers:
        assert process.process.poll() is None, process.text
        assert process.is_clean, process.text


def _has_succeeded(api: httpx.Client, location: str) -> bool:
    return bool(sent(api.get(location), 200)["status"] == "succeeded")


def test_no_acknowledged_write_is_lost_while_accounts_move_to_a_new_node(
    on_one_node: Place,
) -> None:
    """R100: writes go on meanwhile; what is refused is refused whole, and can be repeated."""
    place, cluster = on_one_node, on_one_node.cluster
    name = place.installation.database
    books = Books()
    with ExitStack() as stack:
        clients = [stack.enter_context(place.http(place.api, person)) for person in PEOPLE]
        writers = [Writer(books, adds_bots(partial(same, each))) for each in clients]
        for writer in writers:
            writer.start()
        assert eventually(lambda: len(books.acknowledged) > 20), books.answers
        assert len(_holders(cluster, name)) == 1

        second = cluster.workers[1].port
        cluster.run(name, f"SELECT citus_add_node('127.0.0.1', {second})")
        began = time.monotonic()
        cluster.run(name, "SELECT citus_rebalance_start(shard_transfer_mode => 'force_logical')")
        assert eventually(lambda: _state(cluster, name) in ("finished", "failed"), 400)
        moved = time.monotonic()
        assert _state(cluster, name) == "finished", cluster.coordinator.process
        assert len(_holders(cluster, name)) == 2
        assert eventually(lambda: books.last_success > moved), books.answers
        for writer in writers:
            writer.stop()

    meanwhile = [each for each in books.successes if began < each < moved]
    assert len(meanwhile) > 20, (len(meanwhile), books.answers)
    gap = max(later - one for one, later in pairwise(meanwhile))
    # A shard takes no writes while its copy catches up with the last of them.
    assert gap < PAUSE, (gap, len(meanwhile), moved - began)
    assert not books.wrong, (books.answers, cluster.errors.most_common(5))
    books.agree_with(stored(cluster.url("postgres", name), "SELECT name FROM bots"))
    assert books.answers["outcome_unknown"] == 0, books.answers


def _holders(cluster: Citus, database: str) -> set[int]:
    rows = cluster.fetch(
        database, "SELECT nodeport FROM citus_shards WHERE table_name = 'accounts'::regclass"
    )
    return {row["nodeport"] for row in rows}


def _state(cluster: Citus, database: str) -> str:
    rows = cluster.fetch(database, "SELECT state::text FROM citus_rebalance_status()")
    return rows[-1]["state"] if rows else "none"


DEMO = """
import asyncio
from contextlib import suppress
import asyncpg
from sqlalchemy import make_url
from examples import chapters, demo, service

ADDRESS = make_url({address!r})


class Coordinator:
    def __init__(self, folder):
        folder.parent.mkdir(mode=0o700)

    async def start(self):
        pass

    async def stop(self):
        pass

    def url(self, login):
        return ADDRESS.set(username=login).render_as_string(hide_password=False)


async def let_in(*_):
    pass


async def create_logins(postgres, roles):
    connection = await asyncpg.connect(postgres.url({owner!r}))
    for role in roles:
        login, password = service.login_of(role), ADDRESS.password
        with suppress(asyncpg.DuplicateObjectError):
            await connection.execute(
                f"CREATE ROLE {{login}} LOGIN PASSWORD '{{password}}' IN ROLE botkeys_{{role}}"
            )
    await connection.close()


async def dump(_):
    connection = await asyncpg.connect(ADDRESS.set(username="postgres").render_as_string(False))
    rows = []
    for (table,) in await connection.fetch(
        "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind IN ('r', 'p')"
        " AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
    ):
        rows += await connection.fetch(f"SELECT row_to_json(t)::text FROM {{table}} AS t")
    await connection.close()
    return "\\n".join(text for (text,) in rows).encode()


environment = service._environment
service._environment = lambda **settings: environment(BOTKEYS_DATABASE_TLS="any", **settings)
service.EmbeddedPostgres = Coordinator
service.let_in, service.create_logins, chapters.dump = let_in, create_logins, dump
raise SystemExit(demo.main())
"""


def test_the_demo_plays_on_three_nodes(cluster: Citus) -> None:
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, OWNER)
    asyncio.run(migrate(cluster.url(OWNER, name), distribute=True))
    script = DEMO.format(address=cluster.url(OWNER, name), owner=OWNER)

    played = Running(sys.executable, "-c", script, env=environment())

    assert played.wait(400) == 0, played.text
