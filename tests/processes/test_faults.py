"""Everything is killed, again and again: no acknowledged write is lost, and no answer is untrue."""

import asyncio
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from examples.issuer import Issuer
from tests.processes import debian
from tests.processes.books import Books, Writer, adds_bots, renames, reports_positions
from tests.processes.clusters import IMPATIENT, OWNER, SOON, prepare, same, stored, streaming
from tests.processes.conftest import Start
from tests.processes.debian import Debian15, debian15
from tests.processes.logins import Logins
from tests.processes.production import Installation, installed, is_ready
from tests.processes.running import Running, eventually, free_port
from tests.processes.test_other_servers import small_disk
from tests.processes.trading import new_key, new_trader, sent, unchecked_key

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]
KILLS = 165


@dataclass(frozen=True, slots=True)
class _Logins:
    """The logins of an installation on Debian's server."""

    server: Debian15

    def url(self, role: str, database: str) -> str:
        return self.server.url(f"test_{role}", database)


class _Fleet:
    """Two processes of each role, which a supervisor starts again."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.served: dict[str, list[tuple[Running, str]]] = {
            role: [self._serve(role) for _ in range(2)] for role in ("api", "runtime")
        }
        self.workers = [self._work() for _ in range(2)]

    def _serve(self, role: str) -> tuple[Running, str]:
        return self._installation.serve(
            role, database_tls="any", database_pool_timeout=5, database_statement_timeout=5
        )

    def _work(self) -> Running:
        return self._installation.command(
            "worker", role="worker", keys_dir=None, database_tls="any"
        )

    def address(self, role: str) -> str:
        return random.choice(self.served[role])[1]  # noqa: S311  # no secret

    def kill(self, role: str) -> None:
        """Kill a process of this role with SIGKILL, and start another in its place."""
        if role == "worker":
            victim = self.workers.pop(0)
            victim.send(signal.SIGKILL)
            victim.wait()
            self.workers.append(self._work())
            return
        victim, _ = self.served[role].pop(0)
        victim.send(signal.SIGKILL)
        victim.wait()
        self.served[role].append(self._serve(role))

    def is_back(self) -> bool:
        return all(is_ready(*each) for role in self.served.values() for each in role)


@contextmanager
def _clients(fleet: _Fleet, role: str, token: str) -> Iterator[Callable[[], httpx.Client]]:
    """Yield what returns a client of one of the role's processes, as a proxy would choose it."""
    clients: dict[str, httpx.Client] = {}
    lock = threading.Lock()

    def client() -> httpx.Client:
        address = fleet.address(role)
        with lock:
            if address not in clients:
                clients[address] = httpx.Client(
                    base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60
                )
            return clients[address]

    yield client
    for each in clients.values():
        each.close()


def test_no_acknowledged_write_is_lost_and_no_answer_is_untrue_whatever_is_killed(
    tmp_path: Path, oidc: Issuer, exchange_hosts: str
) -> None:
    """R37."""
    with ExitStack() as stack:
        server = stack.enter_context(debian15("full_page_writes=off"))
        name = prepare(server, ("api", "runtime", "worker"))
        installation = stack.enter_context(
            installed(tmp_path, _Logins(server), name, oidc, exchange_hosts)
        )
        fleet = _Fleet(installation)
        assert fleet.is_back()
        bots, names, positions = Books(), Books(), Books()
        writers = []
        for account in ("alice", "bob"):
            token = oidc.token(account)
            api = stack.enter_context(_clients(fleet, "api", token))
            runtime = stack.enter_context(_clients(fleet, "runtime", token))
            trader = new_trader(api(), runtime(), unchecked_key(1))
            writers += [
                Writer(bots, adds_bots(api)),
                Writer(names, renames(api, trader.bot_id)),
                Writer(positions, reports_positions(runtime, trader)),
            ]
        for writer in writers:
            writer.start()
        kills = _kill_everything(server, fleet, bots)
        for writer in writers:
            writer.stop()
        assert fleet.is_back()

        assert len(bots.acknowledged) > KILLS / 2
        assert len(positions.acknowledged) > KILLS / 2
        bots.agree_with(stored(server.url("postgres", "botkeys"), "SELECT name FROM bots"))
        renamed = (
            "SELECT details->>'client_request_id' FROM audit_events WHERE outcome = 'allowed'"
            " AND details ? 'client_request_id'"
        )
        names.agree_with(stored(server.url("postgres", "botkeys"), renamed))
        positions.agree_with(stored(server.url("postgres", "botkeys"), "SELECT id FROM positions"))
        verified = installation.command(
            "audit", "verify", role="api", database_url=server.url("postgres", name),
            database_tls="any",
        )  # fmt: skip
        assert verified.wait() == 0, verified.text
        for process, _ in [*fleet.served["api"], *fleet.served["runtime"]]:
            assert process.is_clean, process.text
        assert sum(kills.values()) == KILLS, kills


def _kill_everything(server: Debian15, fleet: _Fleet, written: Books) -> dict[str, int]:
    """Kill one thing after the other, mostly when writes are acknowledged again."""
    kills = dict.fromkeys(("backend", "postmaster", "api", "runtime", "worker"), 0)
    weights = (60, 15, 10, 10, 5)
    for number in range(KILLS):
        if number % 3:
            now = time.monotonic()
            assert eventually(partial(_is_written_after, written, now)), written.answers
        time.sleep(random.uniform(0.1, 0.5))  # noqa: S311  # a kill comes at any moment
        what = random.choices(list(kills), weights)[0]  # noqa: S311
        kills[what] += 1
        if what == "backend":
            assert eventually(server.is_up)
            _kill_a_backend(server)
        elif what == "postmaster":
            server.kill()
            server.start()
        else:
            fleet.kill(what)
    assert eventually(server.is_up)
    time.sleep(2)
    return kills


def _is_written_after(books: Books, moment: float) -> bool:
    return books.last_success > moment


def _kill_a_backend(server: Debian15) -> None:
    assert server.process is not None
    backends = [
        process
        for process in server.process.family()[1:]
        if any("botkeys" in word for word in _command(process))
    ]
    if backends:
        random.choice(backends).kill()  # noqa: S311


def _command(process: object) -> list[str]:
    try:
        return list(process.cmdline())  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001  # it has ended
        return []


def test_a_server_that_takes_no_writes_for_a_while_is_followed_afterwards(
    start: Start, tmp_path: Path
) -> None:
    """R37."""
    with debian15() as server:
        name = prepare(server)
        service = start(tmp_path / "data", database_url=server.url(OWNER, name), **IMPATIENT)
        service.ready()
        with service.http(service.token()) as http:
            trader = new_trader(http, http, new_key())
        received = streaming(service, service.address, trader)
        assert eventually(lambda: bool(received))
        books = Books()
        statuses = set()
        with service.http(service.token()) as http:
            writer = Writer(books, adds_bots(lambda: http))
            writer.start()
            server.run(
                "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"
            )
            until = time.monotonic() + 5
            while time.monotonic() < until:
                statuses |= {http.get("/readyz").status_code, http.get("/v1/keys").status_code}
                time.sleep(0.05)
            _writable_again(server)
            again = time.monotonic()
            assert eventually(lambda: books.last_success > again, 30), books.answers
            writer.stop()
            assert books.answers["unavailable"], books.answers
            assert statuses <= {200, 503}
            books.agree_with(stored(server.url("postgres", "botkeys"), "SELECT name FROM bots"))
            sent(http.patch(f"/v1/bots/{trader.bot_id}", json={"paused": True}), 200)
        assert eventually(lambda: "bot_paused" in str(received[-1]["blocked_by"]), SOON), received
        service.stops_by_ctrl_c()
        assert service.is_clean, service.text


def test_a_database_that_is_paused_for_twenty_seconds_loses_nothing(
    start: Start, tmp_path: Path
) -> None:
    """R37: also of what was on its way to be committed when it stopped."""
    with debian15() as server:
        name = prepare(server)
        service = start(tmp_path / "data", database_url=server.url(OWNER, name), **IMPATIENT)
        service.ready()
        books = Books()
        with ExitStack() as stack:
            writers = [
                Writer(books, adds_bots(partial(same, stack.enter_context(service.http(token)))))
                for token in map(service.token, ("alice", "bob", "carol", "dave"))
            ]
            for writer in writers:
                writer.start()
            for _ in range(3):
                now = time.monotonic()
                assert eventually(partial(_is_written_after, books, now)), books.answers
                _pause(server, 20)
                again = time.monotonic()
                assert eventually(partial(_is_written_after, books, again), 5), books.answers
            for writer in writers:
                writer.stop()
        assert books.answers["unavailable"], books.answers
        books.agree_with(stored(server.url("postgres", "botkeys"), "SELECT name FROM bots"))
        service.stops_by_ctrl_c()
        assert service.is_clean, service.text


def _pause(server: Debian15, seconds: float) -> None:
    assert server.process is not None
    processes = server.process.family()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(seconds)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def _writable_again(server: Debian15) -> None:
    async def reset() -> None:
        connection = await asyncpg.connect(server.url("postgres", "postgres"))
        try:
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()

    asyncio.run(reset())


def test_a_pooler_that_is_killed_loses_nothing(start: Start, tmp_path: Path) -> None:
    """R37."""
    with debian15() as server:
        name = prepare(server)
        with debian.pgbouncer(server, OWNER, name) as pooler:
            service = start(
                tmp_path / "data",
                database_url=server.url(OWNER, name, pooler.port),
                direct_database_url=server.url(OWNER, name),
                **IMPATIENT,
            )
            service.ready()
            books = Books()
            with service.http(service.token()) as http:
                writers = [Writer(books, adds_bots(lambda: http)) for _ in range(3)]
                for writer in writers:
                    writer.start()
                for _ in range(8):
                    time.sleep(random.uniform(0.3, 0.8))  # noqa: S311  # at any moment
                    pooler.kill()
                    pooler.start()
                last = time.monotonic()
                assert eventually(lambda: books.last_success > last, 30), books.answers
                for writer in writers:
                    writer.stop()
            books.agree_with(stored(server.url("postgres", "botkeys"), "SELECT name FROM bots"))
            service.stops_by_ctrl_c()
            assert service.is_clean, service.text


def test_a_disk_that_is_full_of_tables_and_wal_loses_nothing(start: Start, tmp_path: Path) -> None:
    """R37: PostgreSQL itself ends where it cannot write its WAL, and is started again."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(120))
        sizes = ("min_wal_size=2MB", "max_wal_size=4MB", "shared_buffers=16MB")
        server = stack.enter_context(debian15(*sizes, disk=disk))
        name = prepare(server)
        service = start(tmp_path / "data", database_url=server.url(OWNER, name), **IMPATIENT)
        service.ready()
        books = Books()
        with service.http(service.token()) as http:
            writers = [Writer(books, adds_bots(lambda: http)) for _ in range(3)]
            for writer in writers:
                writer.start()
            assert eventually(lambda: len(books.acknowledged) > 10)
            ballast = disk / "ballast"
            try:
                with ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
            except OSError:
                pass
            assert eventually(lambda: books.answers["unavailable"] > 5), books.answers
            ballast.unlink()
            assert eventually(lambda: _is_served_again(server, books)), books.answers
            for writer in writers:
                writer.stop()
        books.agree_with(stored(server.url("postgres", "botkeys"), "SELECT name FROM bots"))
        service.stops_by_ctrl_c()
        assert service.is_clean, service.text


def _is_served_again(server: Debian15, books: Books) -> bool:
    server.start_if_dead()
    now = time.monotonic()
    return eventually(lambda: books.last_success > now, 2)


def test_rolling_restarts_behind_a_proxy_answer_every_request(
    tmp_path: Path, production_logins: Logins, oidc: Issuer, exchange_hosts: str
) -> None:
    database = asyncio.run(production_logins.migrated())
    with installed(tmp_path, production_logins, database, oidc, exchange_hosts) as installation:
        # It registers the master key, to which api then seals.
        assert is_ready(*installation.serve("runtime"))
        ports = [free_port(), free_port()]

        def serve(port: int) -> Running:
            return installation.command("serve", "--role", "api", role="api", port=port)

        served = [serve(port) for port in ports]
        for process, port in zip(served, ports, strict=True):
            assert is_ready(process, f"http://127.0.0.1:{port}"), process.text
        with debian.haproxy(ports) as proxy:
            address = f"http://127.0.0.1:{proxy}"
            assert is_ready(served[0], address)
            books = Books()
            with (
                installation.http(address) as alice,
                installation.http(address, "bob") as bob,
                installation.http(address, "carol") as carol,
            ):
                writers = [
                    Writer(books, adds_bots(partial(same, each))) for each in (alice, bob, carol)
                ]
                for writer in writers:
                    writer.start()
                for number, port in enumerate(ports):
                    served[number].send(signal.SIGTERM)
                    assert served[number].wait() == 0
                    served[number] = serve(port)
                    assert is_ready(served[number], f"http://127.0.0.1:{port}")
                    time.sleep(1)
                for writer in writers:
                    writer.stop()
        assert set(books.answers) == {"success"}, books.answers
        assert len(books.acknowledged) > 50
