"""Three nodes of Citus on Debian's PostgreSQL 15: a coordinator that clients talk to, two workers.

Debian has no package of Citus; `docs/citus.md` says how it is installed beside PostgreSQL.
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.processes.debian import (
    BINARIES,
    PASSWORD,
    Debian15,
    account,
    debian15,
    needed,
    private_folder,
)
from tests.support.database import execute

LIBRARY = Path("/usr/lib/postgresql/15/lib/citus.so")
WORKERS = 2
SHARDS = 4
"""Shards of each table, 32 in Citus' own defaults: each is a table with its indexes to create."""

_SETTINGS = (
    "shared_preload_libraries=citus",
    "wal_level=logical",
    "max_connections=400",
    "max_worker_processes=64",
    "max_replication_slots=32",
    "max_wal_senders=32",
    "max_locks_per_transaction=512",
    "max_prepared_transactions=400",
    "synchronous_commit=off",
    "full_page_writes=off",
    f"citus.shard_count={SHARDS}",
    "citus.enable_statistics_collection=off",
    "citus.node_conninfo=sslmode=disable",
)


_ERROR = re.compile(r"ERROR:  (.*)\n(?:.*(?:DETAIL|HINT|CONTEXT):.*\n)*.*STATEMENT:  (.*)")


@dataclass(slots=True)
class Citus:
    """A running cluster. Each of its databases has nodes of its own: Citus knows no others."""

    coordinator: Debian15
    workers: list[Debian15]

    @property
    def nodes(self) -> list[Debian15]:
        return [self.coordinator, *self.workers]

    @property
    def errors(self) -> Counter[str]:
        """Return the errors that the coordinator logged with the statements, and how often."""
        assert self.coordinator.process is not None
        found = _ERROR.findall(self.coordinator.process.text)
        return Counter(re.sub(r"[0-9]+", "N", ": ".join(each)) for each in found)

    def url(self, login: str, database: str) -> str:
        """Return the address of the coordinator, the one node that the service knows."""
        return self.coordinator.url(login, database)

    def run(self, database: str, *statements: str) -> None:
        asyncio.run(execute(self.url("postgres", database), *statements))

    def fetch(self, database: str, statement: str) -> list[asyncpg.Record]:
        async def fetched() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.url("postgres", database), timeout=10)
            try:
                return await connection.fetch(statement)
            finally:
                await connection.close()

        return asyncio.run(fetched())

    def create_logins(self, *statements: str) -> None:
        """Run `CREATE ROLE` on each node: Citus itself copies no passwords."""
        for node in self.nodes:
            node.run(*statements)

    def create_database(self, name: str, owner: str = "postgres", workers: int = WORKERS) -> None:
        """Create an empty database on all nodes, and name the workers to the coordinator."""
        for node in self.nodes:
            node.run(f"CREATE DATABASE {name} OWNER {owner}")
            asyncio.run(execute(node.url("postgres", name), "CREATE EXTENSION citus"))
        self.run(
            name,
            f"SELECT citus_set_coordinator_host('127.0.0.1', {self.coordinator.port})",
            *(
                f"SELECT citus_add_node('127.0.0.1', {each.port})"
                for each in self.workers[:workers]
            ),
        )


def _passwords(folder: Path) -> Path:
    """Write the file with which nodes log in to each other, as the login that asks them."""
    file = folder / "passwords"
    file.write_text(f"*:*:*:*:{PASSWORD.replace(':', chr(92) + ':')}\n")
    file.chmod(0o600)
    user = account()
    if user is not None:
        os.chown(file, user.pw_uid, user.pw_gid)
    return file


@contextmanager
def citus(*settings: str) -> Iterator[Citus]:
    """Run a cluster with these settings (`name=value`) on every node."""
    needed(BINARIES / "postgres", LIBRARY)
    with ExitStack() as stack:
        variables = {"PGPASSFILE": str(_passwords(stack.enter_context(private_folder())))}
        coordinator, *workers = (
            stack.enter_context(debian15(*_SETTINGS, *settings, variables=variables))
            for _ in range(1 + WORKERS)
        )
        yield Citus(coordinator, workers)
