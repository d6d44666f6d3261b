"""The supervisor of the embedded PostgreSQL."""

import asyncio
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode

from app.db.embedded import cluster
from app.db.embedded.binaries import Binaries, find_binaries
from app.db.embedded.child_process import Child
from app.db.embedded.errors import (
    ClusterInUse,
    DiskFull,
    FolderUnreadable,
    StartAborted,
    StartFailed,
)
from app.db.embedded.folder_lock import cluster_name
from app.db.embedded.os_user import OsAccount, server_account, service_account
from app.db.embedded.socket_folder import (
    PORT,
    prepare_socket_folder,
    remove_short_folder,
    socket_folder,
)
from app.kit.locked_file import FileIsLocked, locked_file

# Together less than the ten seconds within which everything stops.
FAST_SECONDS = 5.0
IMMEDIATE_SECONDS = 3.0
READY_POLL_SECONDS = 0.02
REPORT_EVERY_SECONDS = 5.0

# The server's log must contain no statement and no value: both can hold secrets. Errors go to the
# client that caused them; `log_min_messages=log` also keeps a client from filling the disk.
# Each connection reads by itself: that takes less time than asking one of three more processes.
SETTINGS = {
    "io_method": "sync",
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_destination": "stderr",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_messages": "log",
    "log_parameter_max_length": "0",
    "log_statement": "none",
    "logging_collector": "off",
}

logger = logging.getLogger(__name__)


class EmbeddedPostgres:
    """PostgreSQL on `folder`, alive exactly as long as this process, reached over a socket.

    The first start creates the cluster, with the roles `postgres` (superuser), `botkeys_owner`
    (owns the database `botkeys`, migrates, may create roles and databases) and `botkeys_service`.
    `settings` are further server settings, by name. `on_wait` is called at intervals with the
    seconds that the server has been starting: recovery after a crash takes as long as it takes.

    Use it as a context manager, plain or async, or with `start` and `stop` (or their `_sync`
    forms). Every failure is an EmbeddedPostgresError.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        on_wait: Callable[[float], None] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.log = self.folder.with_name(f"{self.folder.name}.log")
        self._settings = dict(settings or {})
        self._on_wait = on_wait
        self._abort = threading.Event()
        self._turn = threading.Lock()
        self._holds = ExitStack()
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Return the server's process id, None while it does not run."""
        return self._child.pid if self._child and not self._child.exited.done() else None

    @property
    def socket_folder(self) -> Path:
        return socket_folder(self.folder)

    def url(self, role: str = cluster.SERVICE, database: str = cluster.DATABASE) -> str:
        """Return `postgresql://role@/database?host=…&port=…`; peer authentication, no password.

        The port is included because a client would otherwise follow PGPORT to another socket.
        """
        query = urlencode({"host": str(self.socket_folder), "port": PORT}, quote_via=quote, safe="")
        return f"postgresql://{quote(role, safe='')}@/{quote(database, safe='')}?{query}"

    def start_sync(self) -> None:
        """Start the server; return once it accepts connections."""
        with self._turn, ExitStack() as holds, self._translating_errors():
            if self._child is not None:
                raise RuntimeError("it has already been started")
            self._abort.clear()
            self._lock(holds)
            self._child = self._spawn()
            try:
                self._wait_until_ready(self._child)
            except BaseException:
                self._end_child()
                raise
            self._holds = holds.pop_all()

    def stop_sync(self) -> None:
        """Stop the server within ten seconds; do nothing if there is none."""
        self._abort.set()  # a start in another thread gives up and releases the lock
        with self._turn:
            self._end_child()
            self._holds.close()

    async def start(self) -> None:
        """Start the server as `start_sync` does; if cancelled, leave nothing running."""
        starting = asyncio.ensure_future(asyncio.to_thread(self.start_sync))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._abort.set()
            await asyncio.wait([starting])
            await asyncio.to_thread(self.stop_sync)
            if not starting.cancelled():
                starting.exception()  # retrieved, so that asyncio does not report it as lost
            raise

    async def stop(self) -> None:
        """Stop the server as `stop_sync` does; if cancelled, complete the stop first."""
        stopping = asyncio.ensure_future(asyncio.to_thread(self.stop_sync))
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            await asyncio.wait([stopping])
            raise

    async def wait(self) -> int:
        """Wait until the server has ended, by `stop` or unexpectedly, and return its exit status.

        A negative status is the negated number of the signal that ended it.
        """
        if self._child is None:
            raise RuntimeError("it has not been started")
        return await asyncio.wrap_future(self._child.exited)

    def __enter__(self) -> Self:
        self.start_sync()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_sync()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _lock(self, holds: ExitStack) -> None:
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self.folder.with_name(f"{self.folder.name}.lock")
        try:
            holds.enter_context(locked_file(lock, f"{os.getpid()}\n"))
        except FileIsLocked as locked:
            pid = locked.holder.strip()
            raise ClusterInUse(self.folder, int(pid) if pid.isdecimal() else None) from None

    def _spawn(self) -> Child:
        service = service_account()
        finished = cluster.is_finished(self.folder)
        server = server_account(self.folder if finished else None)
        account = None if server == service else server
        binaries = find_binaries(for_another_user=account is not None)
        cluster.discard_half_done(self.folder)
        with ExitStack() as opened:
            output = self._open_log()
            opened.callback(os.close, output)
            if not finished:
                self._create(binaries, account, output)
            descriptor = cluster.open_folder(self.folder)
            opened.callback(os.close, descriptor)
            self._end_leftovers(descriptor)
            cluster.write_access_rules(descriptor, service, account)
            settings = {
                **SETTINGS,
                "cluster_name": cluster_name(descriptor),
                "unix_socket_directories": prepare_socket_folder(self.folder, descriptor, account),
                **self._settings,
            }
            where = cluster.data_directory(descriptor, self.folder)
            arguments = [part for item in settings.items() for part in ("-c", "=".join(item))]
            return Child(
                [binaries.postgres, "-D", where, *arguments],
                account=account,
                keep=[descriptor],
                output=output,
            )

    def _end_leftovers(self, descriptor: int) -> None:
        # psutil comes with the same extra as the binaries, which have been found by now.
        from app.db.embedded.orphans import end_leftovers  # noqa: PLC0415  # see above

        end_leftovers(self.folder, descriptor)

    def _create(self, binaries: Binaries, account: OsAccount | None, output: int) -> None:
        try:
            cluster.create(
                self.folder,
                binaries,
                account=account,
                output=output,
                log=self.log,
                durable=self._settings.get("fsync") != "off",
                abort=self._abort,
            )
        except BaseException:
            cluster.discard_half_done(self.folder)
            raise

    def _open_log(self) -> int:
        if self.log.exists():
            self.log.replace(self.log.with_name(f"{self.log.name}.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.log, flags, 0o600)

    def _wait_until_ready(self, child: Child) -> None:
        began = time.monotonic()
        reported = 0.0
        while not self._is_ready(child.pid):
            if child.ends_within(READY_POLL_SECONDS):
                raise StartFailed("PostgreSQL", child.exited.result(), self.log)
            if self._abort.is_set():
                raise StartAborted
            waited = time.monotonic() - began
            if waited - reported >= REPORT_EVERY_SECONDS:
                reported = waited
                logger.info("PostgreSQL is still starting after %.0f s", waited)
                if self._on_wait is not None:
                    self._on_wait(waited)

    def _is_ready(self, pid: int) -> bool:
        # Line 1 is the process, line 8 its state: pg_ctl waits for the same.
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _end_child(self) -> None:
        if self._child is None:
            return
        self._child.stop(fast=FAST_SECONDS, immediate=IMMEDIATE_SECONDS)
        self._child = None
        remove_short_folder(self.folder)

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        """Translate errors of the system and of the server's log into the error tree."""
        try:
            yield
        except StartFailed as failure:
            if b"No space left on device" in self.log.read_bytes():
                raise DiskFull(self.folder) from failure
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(self.folder) from error
            # File names relative to an open folder come without its path.
            path = self.folder / os.fsdecode(error.filename or "")
            raise FolderUnreadable(path, error) from error
