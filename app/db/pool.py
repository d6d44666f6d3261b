"""Keeps connections out of the pool that lead to a dead server, or to one that takes no writes.

Where one connection turns out to be of no use, the others that are as old probably are not either:
the server was restarted, or another one has taken over. All of them are replaced, each at its next
use.
"""

import logging
import time
from typing import Any
from weakref import WeakKeyDictionary

from asyncpg import ConnectionDoesNotExistError
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, Pool
from sqlalchemy.util.queue import Empty

from app.db.failures import is_lost

_BORN = "botkeys_born"
_UNUSED = "botkeys_unused"
_APART = 1.0
"""Seconds between two replacements, so that a server that is read-only for long can be read."""


class _Generation:
    """The moment before which a connection must have been made to be replaced."""

    def __init__(self) -> None:
        self.since = 0.0


_GENERATIONS: WeakKeyDictionary[Pool, _Generation] = WeakKeyDictionary()


# SQLAlchemy names a pool's logger after its class: it is to be as quiet as those of its own.
logging.getLogger(f"{__name__}.LeanPool").setLevel(logging.WARNING)


class LeanPool(AsyncAdaptedQueuePool):
    """A pool whose idle connections can also be taken without SQLAlchemy's object around them."""

    def take(self) -> ConnectionPoolEntry | None:
        """Return an idle connection to be given back, `None` unless the next one is in order."""
        generation = _GENERATIONS.get(self)
        try:
            entry = self._pool.get_nowait()
        except Empty:
            return None
        driver: Any = entry.driver_connection
        if (
            generation is not None
            and driver is not None
            and not driver.is_closed()
            and _UNUSED not in entry.info
            and entry.info[_BORN] >= generation.since
        ):
            return entry
        self.give_back(entry)
        return None

    def give_back(self, entry: ConnectionPoolEntry) -> None:
        self._do_return_conn(entry)


def watch(engine: Engine) -> None:
    """Check each connection of the engine's pool when it is lent."""
    generation = _GENERATIONS[engine.pool] = _Generation()

    @event.listens_for(engine, "connect")
    def made(_connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info[_BORN] = time.monotonic()
        entry.info[_UNUSED] = True

    @event.listens_for(engine, "checkout")
    def lent(_connection: object, entry: ConnectionPoolEntry, _lent: object) -> None:
        driver: Any = entry.driver_connection
        if entry.info.pop(_UNUSED, False):
            # SQLAlchemy gives up with an error of its own if a new one is rejected as well.
            if driver.is_closed():
                raise ConnectionDoesNotExistError("the server closed the connection at once")
        elif driver.is_closed() or entry.info[_BORN] < generation.since:
            # Closing in an orderly way would wait for a server that may be dead.
            driver.terminate()
            raise DisconnectionError

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> None:
        if is_lost(context.original_exception):
            context.is_disconnect = True
            # SQLAlchemy would close all others in an orderly way.
            context.invalidate_pool_on_disconnect = False
            suspect(engine.pool)


def suspect(pool: Pool) -> None:
    """Have all present connections of the pool replaced."""
    generation, now = _GENERATIONS.get(pool), time.monotonic()
    if generation is not None and now - generation.since > _APART:
        generation.since = now
