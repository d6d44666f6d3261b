"""The operating-system users: the one that we run as, and the one that PostgreSQL runs as."""

import logging
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.db.embedded.errors import NoOsAccount, WrongOwner

DEDICATED = "botkeys-postgres"
PACKAGED = "postgres"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OsAccount:
    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> Self | None:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @classmethod
    def numbered(cls, uid: int) -> Self | None:
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            return None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


def service_account() -> OsAccount:
    """Return our own user, the one that the server accepts. Raises NoOsAccount."""
    account = OsAccount.numbered(os.geteuid())
    if account is None:
        raise NoOsAccount(
            f"user id {os.geteuid()} has no name in the system's user list, which PostgreSQL "
            "needs: add one, or set BOTKEYS_DATABASE_URL to your own PostgreSQL"
        )
    return account


def server_account(cluster: Path | None) -> OsAccount:
    """Return the user that the server of `cluster` runs as: ours, or as root an unprivileged one.

    An existing cluster keeps the user who made it. For a new one (None) root uses, and if necessary
    creates, a user that owns nothing else; a packaged PostgreSQL's user is the second choice.

    Raises NoOsAccount, WrongOwner, OSError.
    """
    if cluster is not None:
        status = cluster.stat()
        named = OsAccount.numbered(status.st_uid)
        if status.st_uid == 0 or os.geteuid() not in (0, status.st_uid):
            raise WrongOwner(cluster, f"user {named.name if named else status.st_uid}")
        # A recreated container has forgotten the name; the server only needs the number.
        return named or OsAccount(str(status.st_uid), status.st_uid, status.st_gid)
    if os.geteuid() != 0:
        return service_account()
    account = OsAccount.named(DEDICATED) or _add_dedicated() or OsAccount.named(PACKAGED)
    if account is None:
        raise NoOsAccount(
            "PostgreSQL refuses to run as root, and no user for it could be added: "
            f"run the service as another user, or add one named {DEDICATED}"
        )
    return account


def _add_dedicated() -> OsAccount | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is not None:
        subprocess.run(  # noqa: S603  # fixed arguments
            [
                useradd,
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
                DEDICATED,
            ],
            check=False,  # two first starts may race: all that matters is that the user exists
            capture_output=True,
            timeout=30,
        )
    account = OsAccount.named(DEDICATED)
    if account is not None:
        logger.info("added the system user %s for the embedded PostgreSQL", DEDICATED)
    return account
