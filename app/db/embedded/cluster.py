"""The cluster on disk: whether it exists, who owns it, and its atomic creation."""

import logging
import os
import shutil
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

from app.db.embedded.binaries import MAJOR_VERSION, Binaries
from app.db.embedded.child_process import Child
from app.db.embedded.errors import ClusterInUse, NotACluster, OtherVersion, StartFailed, WrongMode
from app.db.embedded.folder_lock import locked_within
from app.db.embedded.os_user import OsAccount

SUPERUSER = "postgres"
OWNER = "botkeys_owner"
SERVICE = "botkeys_service"
ROLES = (SUPERUSER, OWNER, SERVICE)
DATABASE = "botkeys"
REMOVAL_PATIENCE_SECONDS = 10.0

# Run in single-user mode, one statement a line: no server listens before the rules are in place.
# Objects created here have ids below 16384, like all before a first real start; that is harmless.
# By PostgreSQL's default, databases created later are open to the cluster's roles.
FIRST_STATEMENTS = f"""\
CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB
CREATE ROLE {SERVICE} LOGIN
CREATE DATABASE {DATABASE} OWNER {OWNER} TEMPLATE template0 ENCODING 'UTF8'
REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC
GRANT CONNECT ON DATABASE {DATABASE} TO {SERVICE}
REVOKE ALL ON DATABASE postgres FROM PUBLIC
REVOKE ALL ON DATABASE template1 FROM PUBLIC
GRANT CONNECT ON DATABASE postgres TO {OWNER}
"""

logger = logging.getLogger(__name__)


def data_directory(descriptor: int, folder: Path) -> str:
    """Return the path of the data folder that is passed to the server.

    On Linux it leads through an open descriptor: following it needs no permission on the parent
    folders, so a cluster below a 0700 parent stays there, and no path is too long or too odd.
    """
    magic = Path(f"/proc/self/fd/{descriptor}")
    return str(magic) if magic.exists() else str(folder)


def open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def is_finished(folder: Path) -> bool:
    """Return False if there is nothing yet; raise NotACluster, OtherVersion, WrongMode, OSError."""
    if not folder.exists() or not any(folder.iterdir()):
        return False
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        raise NotACluster(folder) from None
    if version != MAJOR_VERSION:
        raise OtherVersion(folder, version, MAJOR_VERSION)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        raise WrongMode(folder)
    return True


def discard_half_done(folder: Path) -> None:
    """Remove what a killed `create` left behind. Raises ClusterInUse, OSError."""
    aside = _aside(folder)
    if not aside.exists():
        return
    descriptor = open_folder(aside)
    try:
        # A killed initdb's own children keep writing for a moment into the folder to be removed.
        if not locked_within(descriptor, REMOVAL_PATIENCE_SECONDS):
            raise ClusterInUse(folder, None)
        shutil.rmtree(aside)
    finally:
        os.close(descriptor)


def create(
    folder: Path,
    binaries: Binaries,
    *,
    account: OsAccount | None,
    output: int,
    log: Path,
    durable: bool,
    abort: threading.Event,
) -> None:
    """Create the cluster, its roles and its database beside `folder`, then rename it there.

    The rename is the moment at which the cluster exists: if the process is killed before it,
    nothing is there and the next start begins again; after it, everything is.

    `account`: the server's user if it is not ours. `output`: descriptor of the open log. `durable`:
    flush to disk before the rename; tests, whose data are disposable, do without. Raises
    StartFailed, StartAborted, OSError.
    """
    began = time.monotonic()
    aside = _aside(folder)
    aside.mkdir(mode=0o700)
    descriptor = open_folder(aside)
    try:
        locked_within(descriptor, 0)
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
        where = data_directory(descriptor, aside)
        steps = {
            "initdb": (
                [
                    binaries.initdb,
                    "--pgdata",
                    where,
                    "--username",
                    SUPERUSER,
                    "--auth-local",
                    "peer",
                    "--auth-host",
                    "reject",
                    "--encoding",
                    "UTF8",
                    "--locale",
                    "C",
                    "--locale-provider",
                    "builtin",
                    "--builtin-locale",
                    "C.UTF-8",
                    *(() if durable else ("--no-sync",)),
                ],
                "",
            ),
            "creation of roles and database": (
                [
                    binaries.postgres,
                    "--single",
                    "-D",
                    where,
                    "-c",
                    "exit_on_error=on",
                    "-c",
                    f"fsync={'on' if durable else 'off'}",
                    SUPERUSER,
                ],
                FIRST_STATEMENTS,
            ),
        }
        for step, (program, text) in steps.items():
            child = Child(program, account=account, keep=[descriptor], output=output, text=text)
            status = child.wait(abort)
            if status != 0:
                raise StartFailed(step, status, log)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    aside.rename(folder)
    _sync(folder.parent)
    logger.info("created the PostgreSQL cluster in %.1f s", time.monotonic() - began)


def write_access_rules(descriptor: int, service: OsAccount, account: OsAccount | None) -> None:
    """Allow exactly one operating-system user, over the socket, as one of three roles.

    The rules are written at each start: these two files are ours, and the service's user may have
    changed.
    """
    name = service.name.replace('"', '""')
    _write(
        descriptor,
        "pg_hba.conf",
        f"# Written at each start.\nlocal all {','.join(ROLES)} peer map=botkeys\n",
        account,
    )
    _write(
        descriptor,
        "pg_ident.conf",
        "# Written at each start.\n" + "".join(f'botkeys "{name}" {role}\n' for role in ROLES),
        account,
    )


def _write(folder: int, name: str, text: str, account: OsAccount | None) -> None:
    # The server's user owns the folder and could place a link there: a new file created with O_EXCL
    # and then renamed follows none.
    fresh = f"{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=folder), "w") as file:
        if account is not None:
            os.fchown(file.fileno(), account.uid, account.gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(folder.name + ".new")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
