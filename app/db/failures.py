"""What a database failure means for the request that met it."""

from asyncpg import InterfaceError as DriverError
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.tls import certificate_sentence

_CONFLICTS = {"40001", "40P01"}
"""Serialization failure and deadlock: nothing was done, and a retry will probably succeed."""

_OUTAGES = ("08", "53", "57", "58", "25006", "3D000", "28", "55000")
"""Connection lost, out of a resource (including disk full), ended by the operator or a time
limit, a system error, a read-only standby, no such database, login rejected, a database
that the operator has closed to connections.
"""


class Overtaken(Exception):
    """What was read to decide which rows to lock had changed by the time they were locked."""


def sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's code for an error raised through SQLAlchemy or asyncpg, if it has one."""
    if isinstance(error, DBAPIError):
        error = error.orig or error
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else None


def is_conflict(error: BaseException) -> bool:
    return isinstance(error, Overtaken) or sqlstate(error) in _CONFLICTS


def is_outage(error: BaseException) -> bool:
    """Return whether the database is unavailable, through no fault of the request."""
    if isinstance(error, PoolTimeout | InterfaceError | DriverError | OSError | TimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return (sqlstate(error) or "").startswith(_OUTAGES)


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


def violated_constraint(error: DBAPIError) -> str | None:
    """Return the name of the constraint that rejected a row, if that is what happened."""
    cause: BaseException | None = error.orig
    while cause is not None:
        name = getattr(cause, "constraint_name", None)
        if isinstance(name, str):
            return name
        cause = cause.__cause__
    return None
