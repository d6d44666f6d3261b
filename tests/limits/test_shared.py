"""Limits that processes share, on a real server that also goes away and comes back."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.errors import RateLimited
from app.limits import shared
from app.limits.requests import RequestLimits
from app.limits.shared import SHARE, SharedStore
from app.settings import Settings, SettingsError
from tests.limits.conftest import LimitsServer
from tests.processes.running import ROOT, environment, free_port
from tests.support.limits import request_limits
from tests.support.tls_front import Authority

ALICE, BOB = UUID(int=1), UUID(int=2)
QUOTA = 100


@asynccontextmanager
async def process(url: str, *, connected: bool = True) -> AsyncIterator[RequestLimits]:
    """Yield the limits of another process: each has its own store."""
    store = SharedStore(url)
    await store.open()
    try:
        if connected:
            await until(store, connected=True)
        yield request_limits(account=QUOTA, store=store)
    finally:
        await store.close()


async def until(store: SharedStore, *, connected: bool) -> None:
    async with asyncio.timeout(30):
        while store.connected is not connected:  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.005)


def store_of(limits: RequestLimits) -> SharedStore:
    store = limits.account.buckets._store
    assert store is not None
    return store


async def admitted(limits: RequestLimits, attempts: int, account: UUID = ALICE) -> int:
    count = 0
    for _ in range(attempts):
        try:
            await limits.account.take(account)
        except RateLimited:
            continue
        count += 1
    return count


async def test_processes_share_an_accounts_requests(limits_server: LimitsServer) -> None:
    """Verifies rule R32."""
    async with process(limits_server.url) as one, process(limits_server.url) as two:
        counts = await asyncio.gather(admitted(one, 300), admitted(two, 300))
        # At most a twentieth more for each process, and a few for the time that this takes.
        assert QUOTA <= sum(counts) <= QUOTA + 2 * QUOTA // SHARE + 10
        assert await admitted(one, 50) + await admitted(two, 50) <= 10
        assert await admitted(two, 5, BOB) == 5


PROGRAM = """
import asyncio, sys
from uuid import UUID
from app.errors import RateLimited
from app.limits.shared import SharedStore
from tests.support.limits import request_limits

async def main():
    store = SharedStore(sys.argv[1])
    await store.open()
    while not store.connected:
        await asyncio.sleep(0.005)
    limits = request_limits(account=int(sys.argv[2]), store=store)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    count = 0
    for _ in range(1000):
        try:
            await limits.account.take(UUID(int=7))
            count += 1
        except RateLimited:
            await asyncio.sleep(0)
    print(count, flush=True)
    await store.close()

asyncio.run(main())
"""


def test_real_processes_share_an_accounts_requests(limits_server: LimitsServer) -> None:
    processes = [
        subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-c", PROGRAM, limits_server.url, str(QUOTA)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        for _ in range(2)
    ]
    for running in processes:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
    counts = [int(running.communicate("\n", timeout=60)[0]) for running in processes]
    assert QUOTA <= sum(counts) <= QUOTA + 2 * QUOTA // SHARE + 10


async def test_most_requests_wait_for_no_answer(limits_server: LimitsServer) -> None:
    async with process(limits_server.url) as limits:
        limits_server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        for number in range(1, 1001):
            await limits.account.take(UUID(int=number))
        assert time.monotonic() - began < 1000 * shared.WAIT_SECONDS / 2
        limits_server.process.send_signal(signal.SIGCONT)


async def test_a_server_that_freezes_holds_up_a_request_for_milliseconds_only(
    limits_server: LimitsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verifies rule R32: without the server, each process limits by itself."""
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 1.5)  # no pause of a busy machine is so long
    async with process(limits_server.url) as limits:
        store = store_of(limits)
        limits_server.process.send_signal(signal.SIGSTOP)
        longest, count = 0.0, 0
        for _ in range(2 * QUOTA):
            began = time.monotonic()
            count += await admitted(limits, 1)
            longest = max(longest, time.monotonic() - began)
        assert QUOTA <= count <= QUOTA + 10
        assert longest < shared.ANSWER_SECONDS / 2
        await until(store, connected=False)
        assert await admitted(limits, 50, BOB) == 50
        limits_server.process.send_signal(signal.SIGCONT)
        await until(store, connected=True)
        assert await admitted(limits, 10, UUID(int=3)) == 10


async def test_a_server_that_dies_is_warned_of_once_and_found_again(
    limits_server: LimitsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "RETRY_SECONDS", 0.05)
    logged: list[str] = []

    class Log:
        def warning(self, event: str, **_: object) -> None:
            logged.append(event)

        info = warning

    monkeypatch.setattr(shared, "log", Log())
    async with process(limits_server.url) as one, process(limits_server.url) as two:
        assert await admitted(one, 30) == 30
        limits_server.stop()
        assert await admitted(one, QUOTA) + await admitted(two, QUOTA) > QUOTA
        for limits in (one, two):
            await until(store_of(limits), connected=False)
        await asyncio.sleep(0.3)
        assert logged == ["limits_not_shared"] * 2
        limits_server.start()
        for limits in (one, two):
            await until(store_of(limits), connected=True)
        assert logged == ["limits_not_shared"] * 2 + ["limits_shared_again"] * 2
        counts = await asyncio.gather(admitted(one, 200, BOB), admitted(two, 200, BOB))
        assert QUOTA <= sum(counts) <= QUOTA + 2 * QUOTA // SHARE + 10


async def test_a_server_that_was_never_there_stops_nothing() -> None:
    async with process("redis://127.0.0.1:9/0", connected=False) as limits:
        began = time.monotonic()
        assert QUOTA <= await admitted(limits, 200) <= QUOTA + 10
        assert time.monotonic() - began < 1
        assert not store_of(limits).connected


async def test_a_process_that_is_over_learns_it_from_the_others_within_an_answer(
    limits_server: LimitsServer,
) -> None:
    async with process(limits_server.url) as one, process(limits_server.url) as two:
        await admitted(one, 2 * QUOTA)
        assert await admitted(two, QUOTA) <= QUOTA // SHARE + 5
        assert two.account.buckets.wait(ALICE.int) > 0


@pytest.fixture(scope="module")
def behind_tls(
    limits_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """Provide the end of an address with TLS and a password, and the file of its authority."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder, "authority")
    issued, port = authority.issue("server"), free_port()
    server = LimitsServer(
        limits_program,
        folder,
        (
            *("--bind", "127.0.0.1", "--tls-port", str(port), "--tls-auth-clients", "no"),
            *("--tls-cert-file", str(issued.certificate), "--tls-key-file", str(issued.key)),
            *("--tls-ca-cert-file", str(authority.path), "--requirepass", "right"),
        ),
    )
    server.start()
    yield f"@127.0.0.1:{port}", authority.path
    server.stop()


@pytest.mark.parametrize(
    ("login", "trusted", "problem"),
    [
        ("rediss://:right", True, None),
        ("rediss://:right", False, "has a certificate that is not trusted (self-signed"),
        ("rediss://:wrong", True, "refuses the login"),
        ("rediss://", True, "refuses the login"),
        ("redis://:right", True, "does not answer (ConnectionError)"),
    ],
)
async def test_a_private_authority_is_trusted_and_what_is_wrong_is_named(
    behind_tls: tuple[str, Path], login: str, trusted: bool, problem: str | None
) -> None:
    place, authority = behind_tls
    url = f"{login}{place}".replace("//@", "//")
    store = SharedStore(url, authority if trusted else None)
    with capture_logs() as logged:
        found = await store.problem()
        await store.open()
        if problem is None:
            await until(store, connected=True)
        else:
            async with asyncio.timeout(30):
                while not logged:  # noqa: ASYNC110  # no event there
                    await asyncio.sleep(0.005)
        await store.close()
    if problem is None:
        assert (found, logged) == (None, [])
        return
    assert found is not None
    assert str(found).startswith(problem)
    assert problem in logged[0]["detail"]
    assert "right" not in str(logged)
    assert "wrong" not in str(logged)


@pytest.mark.parametrize("url", ["http://x", "", "valkey.example:6379"])
def test_an_address_of_another_kind_is_refused_without_being_named(url: str) -> None:
    with pytest.raises(ValueError, match="rediss://") as refusal:
        Settings(limits_url=SecretStr(url))
    assert not url or url not in str(refusal.value)


async def test_an_address_that_cannot_be_read_is_refused_without_being_named() -> None:
    with pytest.raises(SettingsError) as refusal:
        SharedStore("redis://user:topsecret@host:notaport/0")
    assert "topsecret" not in str(refusal.value)


async def test_without_its_client_the_setting_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(SettingsError, match=r"botkeys-server\[limits\]"):
        SharedStore("redis://127.0.0.1")
