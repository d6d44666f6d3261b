"""jesse's own server with its own PostgreSQL: the keys of its dashboard."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx

from app.db.embedded import EmbeddedPostgres
from benchmarks.load import UNIQUE, LoadRequest, Measured
from benchmarks.peers.candidate import Candidate, Memory, Protection, Skipped, memory_of
from benchmarks.peers.installing import environment, install
from benchmarks.peers.load import load_port
from benchmarks.rounds import Effort
from benchmarks.server import free_port

PEER = "jesse"
KEYS = 50
_PATIENCE = 180.0
"""Seconds for a start, whose imports are many, on a busy machine."""

_PASSWORD = "of-the-benchmark"
_EXCHANGE = "Binance Perpetual Futures"
_PATH = "/exchange/api-keys"
_PROTECTION = Protection(
    at_rest="nothing: key and secret are plain text in its database",
    in_memory="the server reads all of them; anyone who has the one password of the dashboard may "
    "use them",
    audit="none",
)
_SETTINGS = """\
PASSWORD={password}
APP_HOST=127.0.0.1
APP_PORT={port}
POSTGRES_HOST={host}
POSTGRES_PORT={postgres_port}
POSTGRES_NAME=jesse
POSTGRES_USERNAME=botkeys_owner
POSTGRES_PASSWORD=unused
IS_DEV_ENV=TRUE
"""


@contextmanager
def candidates(folder: Path) -> Iterator[list[Candidate]]:
    """Start a server in this folder; raise `Skipped` if it is not to be had here."""
    if reason := install("jesse"):
        raise Skipped(reason)
    project = folder / "project"
    for name in ("strategies", "storage"):  # by which it knows a project
        (project / name).mkdir(parents=True)
    port = free_port()
    with EmbeddedPostgres(folder / "postgres") as postgres:
        asyncio.run(_execute(postgres.url("postgres", "postgres"), "CREATE DATABASE jesse"))
        grant = "ALTER DATABASE jesse OWNER TO botkeys_owner"
        asyncio.run(_execute(postgres.url("postgres", "postgres"), grant))
        where = parse_qs(urlsplit(postgres.url()).query)
        (project / ".env").write_text(
            _SETTINGS.format(
                password=_PASSWORD, port=port, host=where["host"][0], postgres_port=where["port"][0]
            )
        )
        process = _start(project, folder / "server.log")
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=_PATIENCE
            ) as http:
                token = hashlib.sha256(_PASSWORD.encode()).hexdigest()
                http.headers["Authorization"] = token
                _fill(http, process)
                pids = [process.pid, postgres.pid or 0]
                url = postgres.url("botkeys_owner", "jesse")
                yield _candidates(port, token, url, lambda: memory_of(pids))
        finally:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(_PATIENCE)


def _start(project: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start it as a leader of a process group, since it starts further processes."""
    program = environment("jesse") / "bin/jesse"
    command = [str(program), "run", "--skip-agent-rules", "--skip-lsp"]
    with log.open("wb") as written:
        return subprocess.Popen(  # noqa: S603  # the program that was just installed
            command, cwd=project, stdout=written, stderr=written, start_new_session=True
        )


def _fill(http: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            http.get(_PATH).raise_for_status()
            break
        except httpx.TransportError:
            pass  # it does not listen yet
        if process.poll() is not None or time.monotonic() > until:
            raise Skipped("jesse did not start")
        time.sleep(0.2)
    for number in range(KEYS):
        http.post(f"{_PATH}/store", json=_new(f"Key {number:02}")).raise_for_status()
    if len(http.get(_PATH).json()["data"]) != KEYS:
        raise Skipped("jesse did not store the keys to be listed")


def _new(name: str) -> dict[str, str]:
    return {"exchange": _EXCHANGE, "name": name, "api_key": "k" * 64, "api_secret": "s" * 64}


def _candidates(port: int, token: str, url: str, memory: Callable[[], Memory]) -> list[Candidate]:
    headers = {"Authorization": token}
    listing = [LoadRequest(_PATH, headers=headers)]
    body = json.dumps(_new(f"Stored {UNIQUE}"))
    storing = [LoadRequest(f"{_PATH}/store", "", "POST", headers, body)]

    def load(requests: list[LoadRequest]) -> Callable[[Effort], Measured]:
        return lambda effort: load_port(port, requests, effort)

    def forget() -> None:
        asyncio.run(_execute(url, "DELETE FROM exchangeapikeys WHERE name LIKE 'Stored %'"))

    durable = "synced before the answer (PostgreSQL)"
    return [
        Candidate(
            PEER, f"list {KEYS} keys", "reads only", _PROTECTION, load(listing), memory, forget
        ),
        Candidate(PEER, "store a key", durable, _PROTECTION, load(storing), memory),
    ]


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
