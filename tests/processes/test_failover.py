"""The leader of a cluster dies: the next one is followed at once, and nothing is lost."""

import time
from functools import partial
from pathlib import Path

import pytest

from tests.processes.books import Books, Writer, adds_bots
from tests.processes.clusters import (
    CREATE_DATABASE,
    IMPATIENT,
    OWNER,
    SOON,
    prepare,
    same,
    stored,
    streaming,
)
from tests.processes.conftest import Start
from tests.processes.debian import debian15, standby_of
from tests.processes.patroni import Cluster, Probe, patroni
from tests.processes.running import Service, eventually
from tests.processes.trading import Trader, new_key, new_trader, sent

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]
FAILOVERS = 5


@pytest.mark.parametrize("through", ["hosts", "proxy"])
def test_a_cluster_that_fails_over_again_and_again_is_followed_at_once(
    start: Start, tmp_path: Path, through: str
) -> None:
    """R37: Patroni with a synchronous standby, by its hosts' addresses and through HAProxy."""
    with patroni() as cluster:
        cluster.run(*CREATE_DATABASE, "CREATE TABLE probe (at timestamptz)")
        cluster.run("INSERT INTO probe VALUES (now())")
        address = cluster.url if through == "hosts" else cluster.proxied
        service = start(tmp_path / "data", database_url=address(OWNER, "botkeys"), **IMPATIENT)
        service.ready()
        with service.http(service.token()) as http, service.http(service.token("bob")) as other:
            trader = new_trader(http, http, new_key())
            received = streaming(service, trader)
            books = Books()
            probe = Probe(address("postgres", "postgres"))
            writers = [Writer(books, adds_bots(partial(same, each))) for each in (http, other)]
            probe.start()
            for writer in writers:
                writer.start()
            delays = [_failover(cluster, probe, books) for _ in range(FAILOVERS)]
            probe.stop()
            for writer in writers:
                writer.stop()
            assert max(delays) < SOON, delays
            assert eventually(cluster.is_whole)
            _is_followed(service, trader, received)
        books.agree_with(stored(cluster.proxied("postgres", "botkeys"), "SELECT name FROM bots"))
        assert len(books.acknowledged) > 50
        service.stops_by_ctrl_c()
        assert service.is_clean, service.text


def _failover(cluster: Cluster, probe: Probe, books: Books) -> float:
    """Kill the leader; return how many seconds after the next one's first answer we served."""
    assert eventually(cluster.is_whole)
    written = len(books.successes)
    assert eventually(lambda: len(books.successes) > written + 5), books.answers
    leader = cluster.leader()
    leader.kill()
    time.sleep(0.5)  # what the leader had answered has been received
    dead = time.monotonic()
    assert eventually(lambda: probe.last_success > dead)
    leading = probe.first_success_after(dead)
    assert eventually(lambda: books.last_success > dead), books.answers
    delay = books.first_success_after(dead) - leading
    leader.start()
    assert eventually(leader.is_standby), leader.text
    return delay


def _is_followed(service: Service, trader: Trader, received: list[dict[str, object]]) -> None:
    """Check that the service is ready, and that a change reaches its stream by notification."""
    with service.http(service.token()) as http:
        ready = http.get("/readyz")
        assert ready.status_code == 200, ready.text
        sent(http.patch(f"/v1/bots/{trader.bot_id}", json={"paused": True}), 200)
    assert eventually(lambda: "bot_paused" in str(received[-1]["blocked_by"]), SOON), received


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
            received = streaming(service, trader)
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
            _is_followed(service, trader, received)
            service.stops_by_ctrl_c()
            assert service.is_clean, service.text
