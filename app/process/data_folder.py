"""The folder with an installation's data: master keys and the embedded database.

    DataFolderError
    ├── AlreadyRunning     another process holds the folder
    ├── InsecureFolder     a mode or an owner that gives others access to the keys
    └── FolderUnusable     cannot be created, opened or written

Layout: `keys/` (0700, files 0600), `postgres/` (the cluster), `service.lock` (which process runs
here).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from app.kit.locked_file import FileIsLocked, holder_of, locked_file

PRIVATE_FOLDER = 0o700
_LOCK = "service.lock"


class DataFolderError(Exception):
    """An unusable data folder. The message is one sentence: what is wrong and how to fix it."""


class FolderUnusable(DataFolderError):
    def __init__(self, path: Path, cause: OSError) -> None:
        self.path = path
        super().__init__(f"{path} cannot be used: {os.strerror(cause.errno or 0)}")


class InsecureFolder(DataFolderError):
    """An exposed folder or file. `remedy` is a shell command that fixes it, or empty."""

    def __init__(self, path: Path, problem: str, remedy: str = "") -> None:
        self.path = path
        self.remedy = remedy
        super().__init__(f"{path} {problem}" + (f"; run: {remedy}" if remedy else ""))


class AlreadyRunning(DataFolderError):
    """Another service runs here. `port` and `pid` are its own, None while they are unknown."""

    def __init__(self, port: int | None, pid: int | None) -> None:
        self.port = port
        self.pid = pid
        where = "on this data folder" if port is None else f"on port {port}"
        super().__init__(f"already running {where}" + (f" (process {pid})" if pid else ""))


class DataFolder:
    """The data folder of an installation. It need not exist yet: `prepare` creates it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.keys = self.path / "keys"
        self.postgres = self.path / "postgres"

    def prepare(self) -> None:
        """Create what is missing and check that nobody else can read or replace the keys.

        Raises InsecureFolder, FolderUnusable.
        """
        try:
            self.path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self.keys.mkdir(mode=PRIVATE_FOLDER)
            # A user with write access to the folder could replace keys/ by a folder of their own.
            _check(self.path, self.path.stat(), stat.S_IFDIR, forbidden=0o022, remedy="go-w")
            _check(self.keys, self.keys.lstat(), stat.S_IFDIR, forbidden=0o077, remedy="700")
            for file in sorted(self.keys.iterdir()):
                _check(file, file.lstat(), stat.S_IFREG, forbidden=0o177, remedy="600")
        except OSError as error:
            raise FolderUnusable(self.path, error) from error

    @contextmanager
    def lock(self, port: int) -> Iterator[None]:
        """Be the only service on this folder, for the life of the block or of the process.

        Raises AlreadyRunning with port and process of the running service.
        """
        try:
            with locked_file(self.path / _LOCK, f"{os.getpid()}\n{port}\n"):
                yield
        except FileIsLocked as locked:
            raise _already_running(locked.holder) from None

    def running(self) -> AlreadyRunning | None:
        """Return which service runs on this folder, as an error that is not raised."""
        holder = holder_of(self.path / _LOCK)
        return None if holder is None else _already_running(holder)


def _already_running(holder: str) -> AlreadyRunning:
    pid, _, port = holder.strip().partition("\n")
    return AlreadyRunning(
        int(port) if port.isdecimal() else None, int(pid) if pid.isdecimal() else None
    )


def _check(path: Path, status: os.stat_result, kind: int, *, forbidden: int, remedy: str) -> None:
    if stat.S_IFMT(status.st_mode) != kind:
        expected = "folder" if kind == stat.S_IFDIR else "regular file"
        raise InsecureFolder(path, f"is not a {expected}: move it elsewhere")
    if status.st_uid != os.geteuid():
        raise InsecureFolder(
            path, "belongs to another user", f"chown {os.geteuid()} {quote(str(path))}"
        )
    if status.st_mode & forbidden:
        raise InsecureFolder(
            path,
            f"has mode {stat.S_IMODE(status.st_mode):04o}, which gives other users access",
            f"chmod {remedy} {quote(str(path))}",
        )
