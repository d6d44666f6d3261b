"""The leader of a cluster dies: the next one is followed at once, and nothing is lost."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from examples.issuer import Issuer
from tests.processes.books import Books, Writer, adds_bots, reports_positions
from tests.processes.clusters import (
    CREATE_DATABASE,
    CREATE_LOGINS,
    IMPATIENT,
    OWNER,
    SOON,
    login_of,
    prepare,
    same,
    stored,
    streaming,
)
from tests.processes.conftest import Start
from tests.processes.debian import debian15, standby_of
from tests.processes.patroni import Cluster, Probe, patroni
from tests.processes.production import HELD, Installation, installed, is_ready
from tests.processes.running import BOTKEYS, PATIENCE, Running, eventually, free_port, output_of
from tests.processes.trading import new_key, new_trader, sent, unchecked_key

pytestmark = [pytest.mark.torture, pytest.mark.timeout(1200)]
WORKERS = ("catalogue", "purge", "webhooks")


@pytest.mark.parametrize(("through", "kills"), [("hosts", 20), ("proxy", 5)])
def test_a_cluster_that_fails_over_again_and_again_is_followed_at_once(
    tmp_path: Path, oidc: Issuer, exchange_hosts: str, through: str, kills: int
) -> None:
    """R37: Patroni with a synchronous standby, by its hosts' addresses and through HAProxy.

    Every process runs as in production, and is the same one at the end.
    """
    with patroni() as cluster:
        cluster.run(*CREATE_DATABASE, "CREATE TABLE probe (at timestamptz)")
        cluster.run("INSERT INTO probe VALUES (now())")
        address = cluster.url if through == "hosts" else cluster.proxied
        with installed(
            tmp_path, Addressed(address, cluster.authority), "botkeys", oidc, exchange_hosts
        ) as production:
            output_of(BOTKEYS, "migrate", env=production.settings(OWNER))
            cluster.run(*CREATE_LOGINS)
            _is_followed_through(kills, cluster, production, Probe(address("postgres", "postgres")))


@dataclass(frozen=True, slots=True)
class Addressed:
    """The logins of a cluster, at whichever of its addresses, over TLS."""

    address: Callable[[str, str], str]
    authority: Path

    def url(self, login: str, database: str) -> str:
        checked = f"?sslmode=verify-full&sslrootcert={self.authority}"
        return self.address(login_of(login), database) + checked


def _is_followed_through(
    kills: int, cluster: Cluster, production: Installation, probe: Probe
) -> None:
    many = {"bots_per_account": 1_000_000, **IMPATIENT}
    servers = {role: production.serve(role, **many) for role in ("api", "runtime")}
    workers = [_worker(production, task) for task in WORKERS]
    for process, address in servers.values():
        assert is_ready(process, address), process.text
    (_, api_at), (runtime, runtime_at) = servers.values()
    with (
        production.http(api_at) as api,
        production.http(api_at, "bob") as other,
        production.http(runtime_at) as released,
    ):
        trader = new_trader(api, released, new_key())
        received = streaming(runtime, runtime_at, trader)
        bots, positions = Books(), Books()
        at_runtime = httpx.Client(base_url=runtime_at, timeout=PATIENCE)
        writers = [
            *(Writer(bots, adds_bots(partial(same, each))) for each in (api, other)),
            Writer(positions, reports_positions(partial(same, at_runtime), trader)),
        ]
        for thread in (probe, *writers):
            thread.start()
        delays = [_failover(cluster, probe, (bots, positions)) for _ in range(kills)]
        probe.stop()
        for writer in writers:
            writer.stop()
        at_runtime.close()
        assert max(delays) < SOON, delays
        assert eventually(cluster.is_whole)
        assert eventually(lambda: _are_ready(api_at, runtime_at))
        sent(api.patch(f"/v1/bots/{trader.bot_id}", json={"paused": True}), 200)
        assert eventually(lambda: "bot_paused" in str(received[-1]["blocked_by"]), SOON), received
        _is_purged(api)
    for books, statement in ((bots, _NAMES_OF_BOTS), (positions, _IDS_OF_POSITIONS)):
        books.agree_with(stored(cluster.proxied("postgres", "botkeys"), statement))
        assert len(books.acknowledged) > 50
    for process in (*(process for process, _ in servers.values()), *workers):
        assert process.process.poll() is None, process.text
        process.send(signal.SIGTERM)
        assert process.wait() == 0, process.text
        assert process.is_clean, process.text


_NAMES_OF_BOTS = "SELECT name FROM bots"
_IDS_OF_POSITIONS = "SELECT id FROM positions"


def _worker(production: Installation, task: str) -> Running:
    keys = production.keys_of(task) if task in HELD else None
    return production.command(
        *("worker", "--task", task), role=task, keys_dir=keys, operations_port=free_port()
    )


def _are_ready(*addresses: str) -> bool:
    return all(httpx.get(f"{each}/readyz").status_code == 200 for each in addresses)


def _is_purged(api: httpx.Client) -> None:
    """Check that the worker does what is asked now, after all these failovers."""
    key = sent(api.post("/v1/keys", json=unchecked_key(1)), 201)
    answer = api.delete(f"/v1/keys/{key['id']}?associated_data=delete")
    place = f"/v1/operations/{sent(answer, 202)['id']}"
    assert eventually(lambda: sent(api.get(place), 200)["finished_at"] is not None)


def _failover(cluster: Cluster, probe: Probe, books: Sequence[Books]) -> float:
    """Kill the leader; return how many seconds after the next one's first answer we served.

    That is the moment at which every one of the `books` has a success again.
    """
    assert eventually(cluster.is_whole)
    written = [len(each.successes) for each in books]
    assert eventually(
        lambda: all(len(each.successes) > n + 5 for each, n in zip(books, written, strict=True))
    ), [each.answers for each in books]
    leader = cluster.leader()
    leader.kill()
    time.sleep(0.5)  # what the leader had answered has been received
    dead = time.monotonic()
    assert eventually(lambda: probe.last_success > dead)
    leading = probe.first_success_after(dead)
    assert eventually(lambda: all(each.last_success > dead for each in books)), [
        each.answers for each in books
    ]
    delay = max(each.first_success_after(dead) for each in books) - leading
    leader.start()
    assert eventually(leader.is_standby), leader.text
    return delay


def test_a_promoted_standby_is_followed_at_once_and_nothing_is_lost(
    start: Start, tmp_path: Path
) -> None:
    """R37: with several hosts in the address, the first of which is dead afterwards."""
    with debian15() as primary:
        name = prepare(primary)
        with standby_of(primary) as standby:
            one = primary.url(OWNER, name)
            url = one.replace(
                f"127.0.0.1:{primary.port}", f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            )
            service = start(tmp_path / "data", database_url=url, **IMPATIENT)
            service.ready()
            with service.http(service.token()) as http:
                trader = new_trader(http, http, new_key())
            received = streaming(service, service.address, trader)
            assert eventually(lambda: bool(received))
            books = Books()
            with service.http(service.token()) as http, service.http(service.token("bob")) as other:
                writers = [Writer(books, adds_bots(partial(same, each))) for each in (http, other)]
                for writer in writers:
                    writer.start()
                assert eventually(lambda: len(books.acknowledged) > 10)
                primary.kill()
                time.sleep(1)
                standby.run("SELECT pg_promote(true, 60)")
                leading = time.monotonic()
                assert eventually(lambda: books.last_success > leading, 30), books.answers
                delay = books.first_success_after(leading) - leading
                for writer in writers:
                    writer.stop()
            assert delay < SOON
            books.agree_with(stored(standby.url("postgres", name), "SELECT name FROM bots"))
            with service.http(service.token()) as http:
                assert _are_ready(service.address)
                sent(http.patch(f"/v1/bots/{trader.bot_id}", json={"paused": True}), 200)
            assert eventually(lambda: "bot_paused" in str(received[-1]["blocked_by"]), SOON)
            service.stops_by_ctrl_c()
            assert service.is_clean, service.text
