"""What the driver raises while a database is away, comes back or takes no writes."""

import ssl
from typing import Any

import asyncpg
import pytest
from asyncpg.exceptions import _base
from sqlalchemy.connectors.asyncio import AsyncAdapt_Error
from sqlalchemy.exc import DBAPIError, InterfaceError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.failures import (
    CommitLost,
    is_answer,
    is_lost,
    is_of_database,
    is_outage,
    raise_if_lost,
    violated_constraint,
)


def of_server(
    code: str, severity: str = "ERROR", sentence: str = "a sentence"
) -> asyncpg.PostgresError:
    """Return the driver's error for a message of the server."""
    error: asyncpg.PostgresError = asyncpg.PostgresError.new(
        {"C": code, "S": severity, "V": severity, "M": sentence}
    )
    return error


def wrapped(cause: BaseException) -> DBAPIError:
    """Return SQLAlchemy's error around the driver's."""
    adapted = Exception("the adapter's")
    adapted.__cause__ = cause
    return DBAPIError("SELECT", {}, adapted)


AWAY: list[BaseException] = [
    of_server("57P01", "FATAL"),  # terminating connection due to administrator command
    of_server("57P02", "FATAL"),  # … because of crash of another server process
    of_server("57P03", "FATAL"),  # the database system is starting up
    of_server("08006", "FATAL"),
    of_server("25P03", "FATAL"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
    asyncpg.InternalClientError("got result for unknown protocol state 3"),
    _base.ProtocolError("unexpected message"),
    asyncpg.TargetServerAttributeNotMatched("None of the hosts match"),
    ConnectionResetError(),
    ConnectionRefusedError(),
    TimeoutError(),
    ssl.SSLError("EOF occurred in violation of protocol"),
    RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed"),
]
BUSY: list[BaseException] = [
    of_server("53100"),  # disk full
    of_server("53300", "FATAL"),  # too many connections
    of_server("55P03"),
    of_server("57014"),  # statement timeout
    of_server("XX000"),
    asyncpg.InvalidCachedStatementError("cached statement plan is invalid"),
    PoolTimeout("QueuePool limit"),
    PendingRollbackError("Can't reconnect"),
]
OURS: list[BaseException] = [
    of_server("23505"),
    of_server("42P01"),
    of_server("22003"),
    _base.DataError("invalid input for query argument $1"),
    asyncpg.ClientConfigurationError("invalid dsn"),
    RuntimeError("a fault of ours"),
    KeyError("missing"),
]


@pytest.mark.parametrize("error", [*AWAY, *BUSY, of_server("25006"), CommitLost()], ids=repr)
def test_an_outage_is_one_however_it_is_wrapped(error: BaseException) -> None:
    assert is_outage(error)
    assert is_of_database(error)
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
        assert is_outage(wrapped(error))


@pytest.mark.parametrize(
    "error", [error for error in AWAY if isinstance(error, asyncpg.InternalClientError)], ids=repr
)
def test_an_outage_is_one_where_a_pool_connects_without_an_engine(error: Exception) -> None:
    adapted = AsyncAdapt_Error(str(error), error)
    adapted.__cause__ = error

    assert is_outage(adapted)
    assert is_lost(adapted)


@pytest.mark.parametrize("error", OURS, ids=repr)
def test_a_fault_of_ours_is_no_outage(error: BaseException) -> None:
    assert not is_outage(error)
    assert not is_outage(wrapped(error))


def test_a_value_that_the_driver_rejects_is_no_outage_in_sqlalchemys_words() -> None:
    cause: Any = _base.DataError("invalid input for query argument $1")
    assert not is_outage(InterfaceError("SELECT", {}, cause))


@pytest.mark.parametrize("error", AWAY, ids=repr)
def test_a_commit_that_met_a_dead_connection_may_have_been_made(error: BaseException) -> None:
    """R37."""
    assert not is_answer(error)
    assert is_lost(error)


@pytest.mark.parametrize("code", ["53100", "23505", "40001", "57014", "25006"])
def test_a_commit_that_the_server_refused_was_not_made(code: str) -> None:
    """R37."""
    assert is_answer(of_server(code))
    assert is_lost(of_server(code)) == (code == "25006")
    raise_if_lost(wrapped(of_server(code)))


def test_a_commit_of_whose_end_a_coordinator_does_not_know_may_have_been_made() -> None:
    """R37: the node with the account's rows is asked then, whatever language the sentence is in."""
    error = wrapped(of_server("XX000", sentence="Transaktion nicht abgeschlossen"))

    with pytest.raises(CommitLost) as lost:
        raise_if_lost(error, "7 of a node")

    assert lost.value.identity == "7 of a node"
    # The connection to the coordinator is sound.
    assert not is_lost(error)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"C": "23505", "n": "uq_keys_account_id_fingerprint"}, "uq_keys_account_id_fingerprint"),
        ({"C": "23505"}, "uq_keys_account_id_fingerprint"),
        ({"C": "53100"}, None),
    ],
    ids=["of the server itself", "of a node, by a coordinator", "no constraint"],
)
def test_a_violated_constraint_has_its_name(fields: dict[str, str], name: str | None) -> None:
    sentence = (
        'duplicate key value violates unique constraint "uq_keys_account_id_fingerprint_102009"'
    )
    raised = asyncpg.PostgresError.new({"S": "ERROR", "V": "ERROR", "M": sentence, **fields})
    assert violated_constraint(wrapped(raised)) == name
