"""What a database failure means for the request that met it."""

import re

import asyncpg
from sqlalchemy.connectors.asyncio import AsyncAdapt_Error
from sqlalchemy.exc import (
    DBAPIError,
    PendingRollbackError,
    ResourceClosedError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.tls import certificate_sentence

_CONFLICTS = {"40001", "40P01"}
"""Serialization failure and deadlock: nothing was done, and a retry will probably succeed."""

OUTAGE_STATES = {
    "08": "the connection failed",
    "25006": "the server is read-only: a standby, or one that was just demoted",
    "25P03": "the server ended a transaction that waited too long for its next statement",
    "25P04": "the server ended a transaction that took too long",
    "26000": "a pooler passed the statement to a server connection that does not know it",
    "42P05": "a pooler passed the statement to a server connection that has another of its name",
    "28": "the login was rejected",
    "3D000": "the database does not exist, or not yet",
    "40003": "the server cannot say whether the statement was executed",
    "53": "out of a resource: disk, memory, connections",
    "55000": "the server or the database is not in a state to do this, for example recovering",
    "55P03": "a lock was not available in time",
    "57": "ended by the operator, by a crash or by a time limit, or the server is starting",
    "58": "a system error on the server",
    "XX": "an internal error of the server",
}
"""The SQLSTATEs, or their classes, of a database that is unavailable."""

_OUTAGE_TYPES = (
    OSError,  # refused, reset, unreachable, TLS
    TimeoutError,  # connecting, or a statement that nobody answered
    PoolTimeout,
    PendingRollbackError,  # the connection died earlier in the session's transaction
    ResourceClosedError,
    asyncpg.InterfaceError,  # the connection is closed, or closing
    asyncpg.InternalClientError,  # it ended inside a message; no host with the wanted role
    asyncpg.InvalidCachedStatementError,  # a migration changed a table meanwhile
)
_FAULTS_OF_OURS = (asyncpg.UnsupportedClientFeatureError, asyncpg.UnsupportedServerFeatureError)
"""With the driver's rejections of values and options, the kinds of `asyncpg.InterfaceError` that
have nothing to do with the server's state.
"""

_CLOSED_TRANSPORT = "handler is closed"
"""A part of uvloop's message for a write to a connection that was lost a moment ago."""

_READ_ONLY = "25006"


class Overtaken(Exception):
    """What was read to decide which rows to lock had changed by the time they were locked."""


class CommitLost(Exception):
    """The connection died while a transaction was committed, which may have happened or not.

    `identity` names the transaction for `app.db.outcome`, if it is known.
    """

    def __init__(self, identity: str | None = None) -> None:
        super().__init__("the connection died during a commit")
        self.identity = identity


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and what SQLAlchemy wrapped in it, outermost first.

    An error of its adapter of the driver comes alone where a pool, and no engine, connects.
    """
    found = [error]
    if isinstance(error, DBAPIError | AsyncAdapt_Error):
        cause = error.orig if isinstance(error, DBAPIError) else error.__cause__
        while cause is not None and cause not in found:
            found.append(cause)
            cause = cause.__cause__
    return found


def _is_fault_of_ours(error: BaseException) -> bool:
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return True
    return isinstance(error, _FAULTS_OF_OURS)


def sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's code for an error raised through SQLAlchemy or asyncpg, if it has one."""
    codes = (getattr(cause, "sqlstate", None) for cause in _causes(error))
    return next((code for code in codes if isinstance(code, str)), None)


def is_conflict(error: BaseException) -> bool:
    return isinstance(error, Overtaken) or sqlstate(error) in _CONFLICTS


def is_outage(error: BaseException) -> bool:
    """Return whether the database is unavailable, through no fault of the request."""
    if isinstance(error, CommitLost):
        return True
    causes = _causes(error)
    if any(map(_is_fault_of_ours, causes)):
        return False
    if any(isinstance(cause, _OUTAGE_TYPES) for cause in causes):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, RuntimeError) and _CLOSED_TRANSPORT in str(error):
        return True
    return (sqlstate(error) or "").startswith(tuple(OUTAGE_STATES))


def is_of_database(error: BaseException) -> bool:
    """Return whether background work that met this error is to be tried again at its next turn."""
    return isinstance(error, SQLAlchemyError | asyncpg.PostgresError) or is_outage(error)


def is_answer(error: BaseException) -> bool:
    """Return whether the server itself refused the statement, and goes on serving the connection.

    A refused COMMIT has changed nothing. After a fatal error, or without any, it is unknown.
    """
    code = sqlstate(error)
    if code is None:
        return False
    server = next((c for c in _causes(error) if isinstance(c, asyncpg.PostgresError)), None)
    severity = getattr(server, "severity_en", None) or getattr(server, "severity", None)
    return severity == "ERROR" and not code.startswith("08")


_INTERNAL = "XX000"
"""An internal error. With it the coordinator of a Citus cluster answers a COMMIT whose end the node
with the rows has not reported: it refused, or its connection died before or after it committed.
"""


def raise_if_lost(error: BaseException, identity: str | None = None) -> None:
    """Raise `CommitLost` from an error of a COMMIT, unless the server refused to commit."""
    if is_outage(error) and (not is_answer(error) or sqlstate(error) == _INTERNAL):
        raise CommitLost(identity) from error


def is_lost(error: BaseException) -> bool:
    """Return whether the connection that met this outage is of no more use.

    It is dead, or its server is not the one that takes writes.
    """
    if sqlstate(error) == _READ_ONLY:
        return True
    return is_outage(error) and not isinstance(error, PoolTimeout) and not is_answer(error)


def outage_sentence(error: BaseException) -> str | None:
    """Return what is wrong with the database, for a command's user; None if it is something else.

    The server's own text is left out: it may contain values.
    """
    if not is_outage(error):
        return None
    code = sqlstate(error)
    if code is None:
        certificate = certificate_sentence(error)
        if certificate is not None:
            return certificate
        kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
        return f"The database cannot be reached ({kind}). Is BOTKEYS_DATABASE_URL right?"
    if code.startswith("28"):
        return f"The database rejected the login in BOTKEYS_DATABASE_URL (SQLSTATE {code})."
    if code == "3D000":
        return "The database named in BOTKEYS_DATABASE_URL does not exist. Create it first."
    return f"The database cannot be used at the moment (SQLSTATE {code}): see its log."


_LACKING = {"42P01", "42703", "42883", "3F000"}
"""A table, a column, a function or a schema that a statement names does not exist."""


def schema_sentence(error: BaseException) -> str | None:
    """Return what to do about a database that another release, or none, has migrated.

    For a command's user; None if it is something else. A process asks for the migration itself.
    """
    code = sqlstate(error)
    if code in _LACKING:
        return (
            "The database is not at this release's migration: it lacks what this command needs "
            f"(SQLSTATE {code}). `botkeys migrate --check` says where it is."
        )
    if code == "42501":
        return (
            "The login in BOTKEYS_DATABASE_URL lacks a right that this command needs (SQLSTATE "
            "42501). `botkeys COMMAND --help` says whose login it is; `botkeys grants` gives the "
            "service's roles their rights."
        )
    return None


_ON_SHARD = re.compile(r'constraint "(\w+)_[0-9]+"')


def violated_constraint(error: DBAPIError) -> str | None:
    """Return the name of the constraint that rejected a row, if that is what happened.

    The coordinator of a Citus cluster passes on a node's message alone, in which the number of the
    table's shard follows the name.
    """
    cause: BaseException | None = error.orig
    while cause is not None:
        name = getattr(cause, "constraint_name", None)
        if isinstance(name, str):
            return name
        if isinstance(cause, asyncpg.IntegrityConstraintViolationError):
            found = _ON_SHARD.search(str(cause))
            return found[1] if found else None
        cause = cause.__cause__
    return None
