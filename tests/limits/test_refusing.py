"""Servers of shared limits that answer, but refuse the login or to count."""

import asyncio
import signal
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from app.commands.doctor import shared_limits
from app.commands.doctor.examination import examine
from app.commands.doctor.finding import Finding, Level
from app.commands.doctor.part import Part, Subject
from app.limits import shared
from app.limits.problems import problem_of
from app.limits.shared import SharedStore
from app.settings import Settings
from tests.limits.conftest import LimitsServer
from tests.support.limits import request_limits

REFUSALS = {
    "its memory is full": ("--maxmemory", "1"),
    "it is a read-only replica": ("--replicaof", "127.0.0.1", "1"),
    "too few replicas follow it": ("--min-replicas-to-write", "1"),
    "refuses to count (": ("--user", "default", "on", "nopass", "~*", "+@all", "-eval"),
}
NOT_SHARED = "limits_not_shared"


@contextmanager
def running(program: str, folder: Path, *options: str) -> Iterator[LimitsServer]:
    server = LimitsServer(program, folder, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def found(url: str) -> Finding:
    """Return what `botkeys doctor` says of the server."""
    (finding,) = await examine(
        Subject(Settings(limits_url=SecretStr(url)), Part.API), (shared_limits,)
    )
    return finding


async def logged_lines(logged: list[MutableMapping[str, Any]], count: int) -> None:
    async with asyncio.timeout(30):
        while len(logged) < count:  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "RETRY_SECONDS", 0.05)


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_server_that_refuses_to_count_is_warned_of_once(
    limits_program: str, tmp_path: Path, refusal: str
) -> None:
    """Verifies rule R32: it answers, but each process limits by itself."""
    with running(limits_program, tmp_path, *REFUSALS[refusal]) as server:
        store = SharedStore(server.url)
        limits = request_limits(account=100, store=store)
        with capture_logs() as logged:
            await store.open()
            for number in range(20):
                await limits.account.take(UUID(int=number))
                await asyncio.sleep(0.02)
            assert not store.connected
            await store.close()
    assert [line["event"] for line in logged] == [NOT_SHARED]
    assert refusal in logged[0]["detail"]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_doctor_says_what_the_server_refuses_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, limits_program: str, tmp_path: Path, refusal: str
) -> None:
    monkeypatch.setattr(shared, "RETRY_SECONDS", 5.0)
    with running(limits_program, tmp_path, *REFUSALS[refusal]) as server:
        finding = await found(server.url)
    assert finding.level is Level.WARNING
    assert refusal in finding.sentence
    assert finding.remedy


async def test_doctor_leaves_nothing_in_a_server_that_counts(
    monkeypatch: pytest.MonkeyPatch, limits_server: LimitsServer
) -> None:
    monkeypatch.setattr(shared, "RETRY_SECONDS", 5.0)
    finding = await found(limits_server.url)
    assert (finding.level, finding.remedy) == (Level.OK, "")
    await asyncio.sleep(0.01)
    async with Redis.from_url(limits_server.url) as client:
        assert await client.keys("*") == []


async def test_limits_are_shared_again_once_the_server_counts(
    limits_server: LimitsServer,
) -> None:
    store = SharedStore(limits_server.url)
    limits = request_limits(account=100, store=store)
    with capture_logs() as logged:
        await store.open()
        async with Redis.from_url(limits_server.url) as client:
            await client.replicaof("127.0.0.1", "1")
            for number in range(20):
                await limits.account.take(UUID(int=number))
                await asyncio.sleep(0.02)
            await logged_lines(logged, 1)
            await client.replicaof("NO", "ONE")
        await logged_lines(logged, 2)
        assert store.connected
        await store.close()
    assert [line["event"] for line in logged] == [NOT_SHARED, "limits_shared_again"]
    assert "read-only replica" in logged[0]["detail"]


async def test_what_is_really_wrong_is_logged_although_the_server_was_silent_first(
    monkeypatch: pytest.MonkeyPatch, limits_program: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(shared, "CONNECT_SECONDS", 0.1)
    with running(limits_program, tmp_path, "--requirepass", "right") as server:
        store = SharedStore(server.url.replace("unix://", "unix://:wrong@"))
        server.process.send_signal(signal.SIGSTOP)
        with capture_logs() as logged:
            await store.open()
            monkeypatch.setattr(shared, "CONNECT_SECONDS", 5.0)
            server.process.send_signal(signal.SIGCONT)
            await logged_lines(logged, 2)
            await asyncio.sleep(0.3)
            await store.close()
    assert [line["event"] for line in logged] == [NOT_SHARED] * 2
    assert "does not answer (TimeoutError)" in logged[0]["detail"]
    assert "refuses the login" in logged[1]["detail"]
    assert "wrong" not in str(logged)


async def test_a_process_ends_while_the_server_refuses_its_login(
    monkeypatch: pytest.MonkeyPatch, limits_program: str, tmp_path: Path
) -> None:
    """The client forgets cancellations that come while it connects."""
    monkeypatch.setattr(shared, "RETRY_SECONDS", 0.0)
    with running(limits_program, tmp_path, "--requirepass", "right") as server:
        for turn in range(40):
            store = SharedStore(server.url.replace("unix://", "unix://:wrong@"))
            await store.open()
            await asyncio.sleep(turn / 10_000)
            async with asyncio.timeout(10):
                await store.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist",
            "it cannot save to its disk",
        ),
        (
            "Error running script (call to f_0): @user_script:9: -OOM command not allowed",
            "its memory is full",
        ),
        ("unknown command 'EVAL' of user pl4nted", "refuses to count (ResponseError)"),
    ],
)
def test_a_refusal_is_named_in_our_own_words(text: str, sentence: str) -> None:
    problem = str(problem_of(ResponseError(text)))
    assert problem.endswith(sentence)
    assert "pl4nted" not in problem
