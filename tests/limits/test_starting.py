"""Limits are shared from the first request of a process, and no server keeps it from starting."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from structlog.testing import capture_logs

from app.context import Context
from app.db.engine import Database
from app.limits import shared
from app.limits.shared import SharedStore
from app.process.startup import open_context
from app.settings import Role, Settings
from tests.limits.conftest import LimitsServer


def of_limits(logged: list[MutableMapping[str, Any]]) -> list[str]:
    return [line["event"] for line in logged if line["event"].startswith("limits_")]


async def test_a_process_serves_once_its_limits_are_shared(
    settings: Settings, shared_context: Context, database: Database, limits_server: LimitsServer
) -> None:
    """The server takes longer than a call may: the process is busy while it starts."""
    shares = settings.model_copy(update={"limits_url": SecretStr(limits_server.url)})
    process = limits_server.process.pid
    os.kill(process, signal.SIGSTOP)
    asyncio.get_running_loop().call_later(
        2 * shared.ANSWER_SECONDS, os.kill, process, signal.SIGCONT
    )
    with capture_logs() as logged:
        async with open_context(shares, Role.ALL, database=database, hosts={}) as context:
            store = context.limits.account.buckets._store
            assert store is not None
            assert store.connected
    assert of_limits(logged) == []


async def test_a_server_that_never_answers_delays_a_start_for_seconds_only(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "silent.sock"))
        listening.listen()
        store = SharedStore(f"unix://{tmp_path}/silent.sock")
        began = time.monotonic()
        with capture_logs() as logged:
            await store.open()
        assert time.monotonic() - began < shared.CONNECT_SECONDS + 2
        assert not store.connected
        await store.close()
    assert of_limits(logged) == ["limits_not_shared"]
