"""The database: whether it is reached, as which login, and whether it is the one that is meant."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.commands.doctor import logins, master_keys, migrations
from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.part import Subject
from app.db.embedded import EmbeddedPostgres
from app.db.engine import open_database
from app.db.failures import is_of_database, outage_sentence
from app.db.tls import DatabaseAddressError
from app.process.data_folder import DataFolder

NAME = "database"
DIRECT = "BOTKEYS_DIRECT_DATABASE_URL"
REPLICA = "BOTKEYS_REPLICA_DATABASE_URL"
OLDEST = 15
_SKEW_WARNING = 1.0
_SKEW_FAULT = 10.0

_SERVER = text(
    "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(),"
    " current_setting('default_transaction_read_only') = 'on', inet_server_addr() IS NOT NULL,"
    " (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), pg_backend_pid(),"
    " current_setting('statement_timeout') = '0'"
)
_IDENTITY = text(
    "SELECT oid, datname::text, pg_postmaster_start_time() FROM pg_database"
    " WHERE datname = current_database()"
)


async def look(subject: Subject) -> AsyncIterator[Finding]:
    if subject.embedded:
        folder = DataFolder(subject.settings.data_dir)
        if folder.running() is None:
            yield ok(
                NAME, f"`botkeys dev` does not run on {folder.path}: its database starts with it."
            )
            return
        url = EmbeddedPostgres(folder.postgres).url()
    elif subject.settings.database_url is None:
        return  # a fault of the settings
    else:
        url = subject.settings.database_url.get_secret_value()
    async for finding in _explained("BOTKEYS_DATABASE_URL", _examined(url, subject)):
        yield finding


async def _examined(url: str, subject: Subject) -> AsyncIterator[Finding]:
    direct = subject.settings.direct_database_url
    direct_url = url if direct is None else direct.get_secret_value()
    async with connected(url) as connection:
        at = await migrations.read(connection)
        for findings in (
            _server(connection, subject, pooled=direct_url != url),
            migrations.look(at),
            logins.look(connection, subject, at),
            master_keys.look(connection, subject),
        ):
            async for finding in findings:
                yield finding
        identity = tuple((await connection.execute(_IDENTITY)).one())
    if direct_url != url:
        async for finding in _explained(DIRECT, _direct(direct_url, identity)):
            yield finding
    replica = subject.settings.replica_database_url
    if replica is not None:
        async for finding in _explained(REPLICA, _replica(replica.get_secret_value())):
            yield finding


async def _explained(variable: str, findings: AsyncIterator[Finding]) -> AsyncIterator[Finding]:
    """Yield the findings, and a failure of the database as the last of them."""
    try:
        async for finding in findings:
            yield finding
    except DatabaseAddressError as error:
        yield fault(NAME, f"{variable}: {error}")
    except Exception as error:
        if not is_of_database(error):
            raise
        sentence = outage_sentence(error) or f"A query failed ({type(error).__name__})."
        yield fault(NAME, sentence.replace("BOTKEYS_DATABASE_URL", variable))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """Yield a connection that cannot write; a pooler that nobody mentioned may be in between."""
    database = open_database(url, application_name="botkeys-doctor", pool_size=None, pooler=True)
    try:
        async with database.engine.connect() as connection:
            await connection.execute(text("SET TRANSACTION READ ONLY"))
            yield connection
    finally:
        await database.close()


async def shares_connections(connection: AsyncConnection, backend: int) -> bool:
    """Return whether a pooler answers: it gives its clients a process id that is no backend's."""
    raw = (await connection.get_raw_connection()).driver_connection
    return raw is not None and raw.get_server_pid() != backend


async def _server(
    connection: AsyncConnection, subject: Subject, *, pooled: bool
) -> AsyncIterator[Finding]:
    row = (await connection.execute(_SERVER)).one()
    version, standby, read_only, over_tcp, encrypted, backend, unlimited = row
    yield ok(NAME, f"PostgreSQL {version} answers.")
    if version < OLDEST:
        yield fault(NAME, f"PostgreSQL {version} is too old.", f"Use {OLDEST} or later.")
    if standby:
        yield fault(
            NAME,
            "The server is a standby, which takes no writes.",
            "Name every server of the cluster in BOTKEYS_DATABASE_URL, or a proxy that follows "
            "the leader.",
        )
    elif read_only:
        yield fault(
            NAME,
            "Transactions of this login are read-only (default_transaction_read_only).",
            "ALTER ROLE or ALTER DATABASE … RESET default_transaction_read_only.",
        )
    if over_tcp and not encrypted and not subject.in_development:
        yield warning(
            NAME,
            "The connection to the server is not encrypted.",
            "Add ?sslmode=verify-full&sslrootcert=… to the address, unless everything in between "
            "is trusted.",
        )
    shared = await shares_connections(connection, backend)
    if shared and not pooled:
        yield fault(
            NAME,
            "BOTKEYS_DATABASE_URL leads to a pooler, through which notifications and session "
            "locks get lost.",
            "Set BOTKEYS_DIRECT_DATABASE_URL to the server itself.",
        )
    elif shared and unlimited:
        yield warning(
            NAME,
            "Behind a pooler, nothing bounds the login's statements.",
            "ALTER ROLE … SET statement_timeout = '10s' (docs/deployment.md).",
        )
    async for finding in _clock(connection):
        yield finding


async def _clock(connection: AsyncConnection) -> AsyncIterator[Finding]:
    before = datetime.now(UTC)
    started = time.monotonic()
    there: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    trip = time.monotonic() - started
    apart = abs((there - before).total_seconds() - trip / 2)
    if apart - trip / 2 <= _SKEW_WARNING:
        yield ok(NAME, "Its clock and this machine's agree.")
        return
    found = fault if apart > _SKEW_FAULT else warning
    yield found(
        NAME,
        f"Its clock and this machine's are {apart:.0f} s apart.",
        "Synchronize both (NTP): leases, expiries and tokens depend on them.",
    )


async def _direct(url: str, identity: tuple[object, ...]) -> AsyncIterator[Finding]:
    async with connected(url) as connection:
        backend = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        if await shares_connections(connection, backend):
            yield fault(NAME, f"{DIRECT} leads to a pooler.", "Set it to the server itself.")
        if tuple((await connection.execute(_IDENTITY)).one()) == identity:
            yield ok(NAME, f"{DIRECT} leads to the same database.")
        else:
            yield fault(
                NAME,
                f"{DIRECT} leads to another database than BOTKEYS_DATABASE_URL.",
                "Set both to the same one.",
            )


async def _replica(url: str) -> AsyncIterator[Finding]:
    async with connected(url) as connection:
        if (await connection.execute(text("SELECT pg_is_in_recovery()"))).scalar_one():
            yield ok(NAME, f"{REPLICA} leads to a standby.")
        else:
            yield warning(
                NAME,
                f"{REPLICA} leads to a server that is no standby, so that it is not used.",
                "Name a standby, or add target_session_attrs=prefer-standby.",
            )
