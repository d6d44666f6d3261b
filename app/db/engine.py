"""The connection pool of one process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import URL, make_url
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import NullPool

from app.db.driver import AutocommitExecutor, BatchExecutor
from app.db.hosts import Connector, spread_hosts
from app.db.outcome import Outcomes
from app.db.plans import keep_plans
from app.db.pool import LeanPool, watch
from app.db.tls import PARAMETERS, DatabaseAddressError, tls_dsn
from app.db.transactions import Transaction, transactions
from app.kit.json_codec import dumps

_HIGHEST_PORT = 65_535
_LONGEST_LABEL = 63
_PARAMETERS = ("host", "port", "passfile", "target_session_attrs")
_SESSION_ATTRS = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
_VISIBLE_SHARDS = "citus.override_table_visibility"
"""A setting of Citus, which no other server knows or minds.

Citus hides its shards from queries of the catalog, row by row: with that, the one by which the
driver learns what an array of UUIDs is takes seconds, on each connection.
"""
_ANSWER_SECONDS = 1
"""How long PostgreSQL may take to report that a statement timed out before we stop waiting."""


def driver_url(url: str) -> URL:
    """Return the address of a database in SQLAlchemy's form for asyncpg.

    Several hosts (`//login@a,b:5433/name`), a Unix socket (`?host=/folder`) and TLS
    (`?sslmode=verify-full&sslrootcert=…`) are given as for libpq. Raises `DatabaseAddressError`.
    """
    try:
        parsed = make_url(spread_hosts(url)).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        raise DatabaseAddressError(
            "The database's address is not of the form postgresql://login:password@host:port/name, "
            "with other characters than letters and digits in it percent-encoded."
        ) from None
    if parsed.port is not None and parsed.port > _HIGHEST_PORT:
        raise DatabaseAddressError(f"The port in the database's address is above {_HIGHEST_PORT}.")
    query = dict(parsed.query)
    _refuse_unknown(query)
    try:
        PGDialect_asyncpg().create_connect_args(parsed)  # type: ignore[no-untyped-call]
    except (ArgumentError, ValueError):
        raise DatabaseAddressError(
            "The parameters host and port of the database's address do not fit together: name one "
            "port, a number, or host=name:port for each host."
        ) from None
    names = (parsed.host or "", *_values(query, "host"))
    if any(len(label) > _LONGEST_LABEL for name in names for label in _labels(name)):
        raise DatabaseAddressError("A host's name in the database's address is too long.")
    tls = {name: str(query.pop(name)) for name in PARAMETERS if name in query}
    dsn = tls_dsn(tls)
    if dsn is not None:
        query["dsn"] = dsn
    return parsed.set(query=query)


def _refuse_unknown(query: Mapping[str, str | tuple[str, ...]]) -> None:
    """Raise `DatabaseAddressError` for a parameter that the driver does not take."""
    known = (*_PARAMETERS, *PARAMETERS)
    unknown = sorted(query.keys() - set(known))
    if unknown:
        raise DatabaseAddressError(
            f"{unknown[0]} in the database's address is not one of the parameters that are "
            f"understood: {', '.join(known)}."
        )
    wanted = query.get("target_session_attrs", "any")
    if wanted not in _SESSION_ATTRS:
        raise DatabaseAddressError(
            "target_session_attrs in the database's address must be one of "
            f"{', '.join(_SESSION_ATTRS)}."
        )


def _labels(host: str) -> list[str]:
    """Return the labels of a host's name, of which each may have 63 characters (RFC 1035)."""
    return [] if host.startswith("/") else host.partition(":")[0].split(".")


def _values(query: Mapping[str, str | tuple[str, ...]], name: str) -> tuple[str, ...]:
    given = query.get(name, ())
    return (given,) if isinstance(given, str) else given


def _dumps(value: Any) -> str:
    return dumps(value).decode()


@dataclass(frozen=True, slots=True)
class Database:
    """An engine and its sessions. `hide_parameters` keeps values out of errors and logs.

    Each statement of a `read_sessions` session is a transaction of its own: a read takes one round
    trip, without BEGIN and COMMIT. At READ COMMITTED a transaction would see nothing else.
    `autocommit` is for the hottest reads and `transactions` for the hottest writes; neither needs a
    session. `outcomes` says what became of a transaction whose connection died at COMMIT.
    """

    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    read_sessions: async_sessionmaker[AsyncSession]
    autocommit: BatchExecutor
    transactions: Callable[[], Transaction]
    outcomes: Outcomes

    async def close(self) -> None:
        await self.engine.dispose()


def open_database(
    url: str,
    *,
    application_name: str,
    pool_size: int | None = 20,
    pool_overflow: int = 0,
    pool_timeout: float = 5,
    statement_timeout: float = 10,
    pooler: bool = False,
    same_plans: bool = False,
) -> Database:
    """Open a pool; `pool_size=None` opens a connection for each use (migrations, short commands).

    `statement_timeout` is in seconds. `pooler` means that a transaction pooler sits before the
    server: it may give each transaction another server connection, so nothing may be kept on one
    (prepared statements), and at its start only settings that every pooler passes on may be set.
    The time limits are then set on the login role (docs/deployment.md). With `same_plans` the
    server keeps its plans of prepared statements (`app.db.plans`).
    """
    settings = {"application_name": application_name, "timezone": "UTC"}
    connect: dict[str, Any] = {
        "server_settings": settings,
        "timeout": 10,
        "async_creator_fn": Connector(),
    }
    if pool_size is not None:
        # For a server that does not even report the timeout: stopped, or cut off.
        connect["timeout"] = pool_timeout
        connect["command_timeout"] = statement_timeout + _ANSWER_SECONDS
    if pooler:
        connect["statement_cache_size"] = 0
        connect["prepared_statement_cache_size"] = 0
        connect["prepared_statement_name_func"] = lambda: f"botkeys_{uuid4().hex}"
    else:
        settings["statement_timeout"] = str(int(statement_timeout * 1000))
        settings["idle_in_transaction_session_timeout"] = "60000"
        if pool_size is not None:
            settings[_VISIBLE_SHARDS] = "off"
    pool: dict[str, Any] = {"poolclass": NullPool}
    if pool_size is not None:
        pool = {
            "poolclass": LeanPool,
            "pool_size": pool_size,
            "max_overflow": pool_overflow,
            "pool_timeout": pool_timeout,
            "pool_use_lifo": True,
        }
    engine = create_async_engine(
        driver_url(url),
        hide_parameters=True,
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args=connect,
        **pool,
    )
    watch(engine.sync_engine)
    if same_plans and not pooler:
        keep_plans(engine.sync_engine)
    sessions = _sessions(engine)
    # Without BEGIN a pooler may send a prepared statement's execution to another server connection.
    each = AutocommitExecutor(engine, in_transaction=pooler)
    hot = transactions(engine, sessions)
    if pooler:
        return Database(engine, sessions, sessions, each, hot, Outcomes(each))
    read_sessions = _sessions(engine.execution_options(isolation_level="AUTOCOMMIT"))
    return Database(engine, sessions, read_sessions, each, hot, Outcomes(each))


def _sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
