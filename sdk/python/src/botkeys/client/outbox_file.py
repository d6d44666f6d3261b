"""The outbox in a file: waiting reports and records that outlive the process, even `kill -9`.

A SQLite database in WAL mode. Each report is written by the call that takes it, which costs some
30 µs: the kernel has it then, and it survives the process. Only a thread waits for the disk, once a
second, so that a power cut takes no more than the last second. The file holds what is sent to the
service, under the ids of account, bot and key: no token and no credentials.

Another file beside it, `….lock`, is held for as long as the client lives. The lock is SQLite's own:
it ends with the process, and a child that was forked does not hold it.
"""

import asyncio
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, final
from uuid import UUID

from pydantic import ValidationError

from botkeys.client.errors import OutboxUnusable
from botkeys.client.models import Position
from botkeys.client.records import Item, Kind
from botkeys.client.token import TokenIds

_Result = TypeVar("_Result")

_APPLICATION = 0x626B6F62  # "bkob"
_FORMAT = 1
_OURS_ALONE = 0o600
_SYNC_SECONDS = 1.0
_PAGE_BYTES = 1024
_LARGEST_REST = 1024 * 1024  # of the write-ahead log, after its content was moved
# Only a program that is not ours can be in the way, such as a backup; the bot waits for it.
_PATIENCE = 0.25
_TABLES = (
    "CREATE TABLE owner (account_id TEXT NOT NULL, bot_id TEXT NOT NULL)",
    """
    CREATE TABLE records (
        place INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, key_id TEXT,
        item BLOB NOT NULL
    )
    """,
    "CREATE INDEX records_of_kind ON records (kind, place)",
    """
    CREATE TABLE reports (
        place INTEGER PRIMARY KEY, revision INTEGER NOT NULL, position TEXT NOT NULL
    )
    """,
)
_logger = logging.getLogger(__name__)


@final
class OutboxFile:
    """The journal of a client with an outbox. Opening and adding raise OutboxUnusable.

    Used by one thread, that of the event loop; `run` and `aclose` wait for the disk in another.
    """

    def __init__(self, path: str | os.PathLike[str], ids: TokenIds) -> None:
        self._path = Path(path).absolute()
        self._ids = ids
        self._changed = asyncio.Event()
        self._syncing = threading.Lock()
        self._full = False
        self._lock = self._held()
        try:
            self._database = self._checked(self._opened)
            self._disk = self._checked(lambda: _connect(self._path))
        except BaseException:
            self._lock.close()
            raise
        try:
            self._found = [*self._records()], [*self._reports()]
        except BaseException:
            self._close()
            raise

    def records(self) -> Iterable[tuple[Kind, Item]]:
        return self._found[0]

    def reports(self) -> Iterable[tuple[int, Position, int]]:
        return self._found[1]

    def add_record(self, kind: Kind, item: Item) -> None:
        key_id = None if item.key_id is None else str(item.key_id)
        self._write(
            "INSERT INTO records (kind, id, key_id, item) VALUES (?, ?, ?, ?)",
            kind.value,
            item.id,
            key_id,
            item.text,
        )

    def drop_records(self, kind: Kind, count: int) -> None:
        self._drop(
            "DELETE FROM records WHERE place IN"
            " (SELECT place FROM records WHERE kind = ? ORDER BY place LIMIT ?)",
            kind.value,
            count,
        )

    def add_report(self, position: Position, revision: int) -> int:
        return self._write(
            "INSERT INTO reports (position, revision) VALUES (?, ?)",
            position.model_dump_json(),
            revision,
        )

    def change_report(self, place: int, position: Position, revision: int) -> None:
        self._write(
            "UPDATE reports SET position = ?, revision = ? WHERE place = ?",
            position.model_dump_json(),
            revision,
            place,
        )

    def drop_report(self, place: int) -> None:
        self._drop("DELETE FROM reports WHERE place = ?", place)

    async def run(self) -> None:
        """Bring what was written to the disk, once a second at most."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.to_thread(self._sync, "PASSIVE")
            await asyncio.sleep(_SYNC_SECONDS)

    async def aclose(self) -> None:
        try:
            await asyncio.to_thread(self._sync, "TRUNCATE")
        finally:
            self._close()

    def _held(self) -> sqlite3.Connection:
        """Return a connection that keeps other clients out until it is closed."""
        lock = self._path.with_name(f"{self._path.name}.lock")

        def hold() -> sqlite3.Connection:
            _make(lock)
            connection = _connect(lock)
            try:
                connection.execute("PRAGMA journal_mode = MEMORY")  # no file for one more lock
                connection.execute("BEGIN EXCLUSIVE")
            except BaseException:
                connection.close()
                raise
            return connection

        return self._checked(hold)

    def _opened(self) -> sqlite3.Connection:
        _make(self._path)
        connection = _connect(self._path)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        application, found = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        new = application == found == tables == 0
        if not new and application != _APPLICATION:
            raise self._unusable("is not an outbox. Name another file")
        if found > _FORMAT:
            raise self._unusable(
                f"was written by a later release (format {found}). Update this program"
            )
        if new:  # a commit appends every page that it changed, whole
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise self._unusable("needs a local disk: it cannot have a write-ahead log there")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_REST}")
        owner = (str(self._ids.account_id), str(self._ids.bot_id))
        if new:
            connection.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                connection.execute(table)
            connection.execute("INSERT INTO owner VALUES (?, ?)", owner)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
            connection.execute("COMMIT")
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise self._damaged()
        if connection.execute("SELECT * FROM owner").fetchall() != [owner]:
            raise self._unusable("belongs to another bot. Name another file")

    def _records(self) -> Iterator[tuple[Kind, Item]]:
        rows = self._rows("SELECT kind, id, key_id, item FROM records ORDER BY place")
        # A later release may know more kinds; theirs wait for it.
        known = set(Kind)
        for kind, name, key_id, item in rows:
            if kind in known:
                yield Kind(kind), Item(name, None if key_id is None else UUID(key_id), item)

    def _reports(self) -> Iterator[tuple[int, Position, int]]:
        for place, position, revision in self._rows(
            "SELECT place, position, revision FROM reports ORDER BY place"
        ):
            yield place, self._position(position), revision

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._checked(lambda: self._database.execute(query).fetchall())

    def _position(self, text: str) -> Position:
        try:
            return Position.model_validate_json(text)
        except ValidationError:
            pass
        raise self._damaged()

    def _write(self, statement: str, *values: object) -> int:
        """Return the row's place. The kernel has what was written when this returns."""
        cursor = self._checked(lambda: self._database.execute(statement, values))
        self._changed.set()
        self._full = False
        return cursor.lastrowid or 0

    def _drop(self, statement: str, *values: object) -> None:
        try:
            self._checked(lambda: self._database.execute(statement, values))
        except OutboxUnusable as error:
            if not self._full:
                _logger.warning("delivered reports stay in the outbox: %s", error)
            self._full = True
        else:
            self._changed.set()

    def _sync(self, mode: str) -> None:
        """Bring everything to the disk. What fails is tried again with the next change."""
        with self._syncing, suppress(sqlite3.Error):
            self._disk.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()

    def _close(self) -> None:
        with self._syncing:
            for connection in (self._disk, self._database, self._lock):
                connection.close()

    def _checked(self, work: Callable[[], _Result]) -> _Result:
        """Return what the work returns. Raises OutboxUnusable for errors of SQLite and the system.

        Their own errors may quote values.
        """
        try:
            return work()
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                failure = self._unusable("is in use by another client or process")
            else:
                failure = self._unusable(f"cannot be used: {error.sqlite_errorname}")
        except sqlite3.ProgrammingError:
            failure = self._unusable("is closed, with its client")
        except sqlite3.DatabaseError:
            failure = self._damaged()
        except OSError as error:
            failure = self._unusable(f"cannot be used: {os.strerror(error.errno or 0)}")
        raise failure

    def _damaged(self) -> OutboxUnusable:
        return self._unusable(
            "is damaged, and was left as it is. Move it away to begin a new one, or restore it"
        )

    def _unusable(self, why: str) -> OutboxUnusable:
        return OutboxUnusable(str(self._path), why)


def _make(path: Path) -> None:
    """Make the file, for this user alone, unless it exists.

    One that exists is never opened here: closing it would release SQLite's locks on it, which
    belong to the whole process.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OURS_ALONE))
    except FileExistsError:
        found = path.stat()
        if stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) & ~_OURS_ALONE:
            path.chmod(_OURS_ALONE)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
