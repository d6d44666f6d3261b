"""The folder of the server's socket, which only the server's user (and root) can enter."""

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from app.db.embedded.errors import SocketFolderUnsafe
from app.db.embedded.os_user import OsAccount

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
INSIDE = "socket"
# sockaddr_un.sun_path is 108 bytes on Linux and 104 on macOS, with a closing NUL.
LONGEST_SOCKET_PATH = 103
SHORT_BASE = Path("/tmp")  # noqa: S108  # a folder of our own below it, 0700 and checked


def socket_folder(cluster: Path) -> Path:
    """Return `cluster`/socket, or a short path derived from the cluster's if that is unusable.

    It is unusable if it is too long or contains a comma, at which clients split a list of hosts.
    """
    inside = cluster / INSIDE
    path = os.fsencode(inside / SOCKET)
    if len(path) <= LONGEST_SOCKET_PATH and b"," not in path:
        return inside
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]
    return SHORT_BASE / f"botkeys-{os.geteuid()}-{digest}"


def prepare_socket_folder(cluster: Path, descriptor: int, account: OsAccount | None) -> str:
    """Create the folder, remove an earlier server's socket, and return its name for the server.

    `descriptor`: the open cluster folder. Raises SocketFolderUnsafe, OSError.
    """
    folder = socket_folder(cluster)
    if folder.parent == cluster:
        # Relative to the server's working folder: no path above it is walked.
        opened, named = _open(INSIDE, descriptor, account), INSIDE
    else:
        opened, named = _open(str(folder), None, account), str(folder)
    if opened is None:
        raise SocketFolderUnsafe(folder)
    try:
        # The lock file of a killed server would block the next if its process id is in use again.
        for name in (SOCKET, f"{SOCKET}.lock"):
            try:
                os.unlink(name, dir_fd=opened)
            except FileNotFoundError:
                continue
    finally:
        os.close(opened)
    return named


def remove_short_folder(cluster: Path) -> None:
    folder = socket_folder(cluster)
    if folder.parent != cluster:
        try:
            folder.rmdir()
        except OSError:
            return  # not empty, or gone: nothing of value is lost


def _open(path: str, base: int | None, account: OsAccount | None) -> int | None:
    """Open the folder; return None if it is not a private folder of ours."""
    with suppress(FileExistsError):
        os.mkdir(path, 0o700, dir_fd=base)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        opened = os.open(path, flags, dir_fd=base)
    except OSError:
        return None
    status = os.fstat(opened)
    owners = {os.geteuid()} | ({account.uid} if account else set())
    if status.st_uid not in owners or stat.S_IMODE(status.st_mode) & 0o077:
        os.close(opened)
        return None
    if account is not None:
        os.fchown(opened, account.uid, account.gid)
    return opened
