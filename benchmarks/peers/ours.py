"""Botkeys itself: one process of each of the roles `api` and `runtime`, and their PostgreSQL."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import asyncpg
from sqlalchemy import make_url

from app.db.embedded.cluster import OWNER
from benchmarks.fleet import make_fleet
from benchmarks.installation import Installation
from benchmarks.list_keys import KEYS, fill
from benchmarks.load import UNIQUE, LoadRequest, Measured
from benchmarks.peers.candidate import Candidate, Memory, Protection, memory_of
from benchmarks.rounds import CONNECTIONS, Effort, Side
from benchmarks.runtime import release_request
from benchmarks.server import Server
from botkeys.sealing.suites import PrivateKey, SuiteName

PEER = "Botkeys"
CONFIG, RELEASE = "config (304)", "release to the bot"
BOTS = 100
_NOT_MODIFIED, _CREATED = 304, 201
_DURABLE = "synced before the answer (PostgreSQL)"
_READS = "reads only"
_PROTECTION = Protection(
    at_rest="AES-256-GCM, data key sealed to a master key that only `runtime` can open (ML-KEM-768 "
    "with X25519): a stolen database, or `api` itself, opens nothing",
    in_memory="the service opens the data key alone, for the moment of a release, and seals it to "
    "a one-time key of the bot; the secret is opened in the bot",
    audit="each release and change is a record of a MAC chain, in the same transaction as what it "
    "records",
)


@contextmanager
def candidates(installation: Installation) -> Iterator[list[Candidate]]:
    with installation.service("runtime") as runtime, installation.service("api") as api:
        token = installation.token("listed")
        fill(api, token)
        fleet = make_fleet(installation, api, runtime, BOTS)
        configs = []
        for bot in fleet:
            version = runtime.call("GET", "/v1/runtime/config", bot.token)["version"]
            configs.append(bot.asks("config", headers={"If-None-Match": f'"{version}"'}))
        body = release_request(PrivateKey.generate(SuiteName.MLKEM768_X25519))
        releases = [bot.asks("credentials", method="POST", body=body) for bot in fleet]
        # An account's changes happen one after the other, so each connection has its own account.
        stores = [_store(installation.token(f"stores-{number}")) for number in range(CONNECTIONS)]

        def memory(server: Server) -> Callable[[], Memory]:
            return lambda: memory_of([server.process.pid, installation.postgres_pid])

        def forget() -> None:
            asyncio.run(_forget_releases(installation.database_url))

        def made(
            what: str,
            durable: str,
            server: Server,
            requests: Sequence[LoadRequest],
            status: int,
            prepare: Callable[[], None] = lambda: None,
        ) -> Candidate:
            side = Side(server, requests, status)

            def measure(effort: Effort) -> Measured:
                return side.measure(effort)

            return Candidate(PEER, what, durable, _PROTECTION, measure, memory(server), prepare)

        yield [
            made(f"list {KEYS} keys", _READS, api, [LoadRequest("/v1/keys", token)], 200),
            made("store a key", _DURABLE, api, stores, _CREATED),
            made(CONFIG, _READS, runtime, configs, _NOT_MODIFIED),
            made(RELEASE, _DURABLE, runtime, releases, 200, forget),
        ]


async def _forget_releases(database_url: str) -> None:
    """Remove the releases of former rounds: of a bot's last hour each one is counted, and without
    this limit there are a dozen.
    """
    owner = make_url(database_url).set(username=OWNER)
    connection = await asyncpg.connect(owner.render_as_string(hide_password=False))
    try:
        await connection.execute("TRUNCATE releases")
    finally:
        await connection.close()


def _store(token: str) -> LoadRequest:
    new = {
        "label": f"Stored {UNIQUE}",
        "exchange": "binance",
        "environment": "live",
        "contract_type": "linear",
        "api_key": f"key-{UNIQUE}",
        "api_secret": f"{'s' * 64}",
        "verify": False,
    }
    return LoadRequest("/v1/keys", token, "POST", body=json.dumps(new))
