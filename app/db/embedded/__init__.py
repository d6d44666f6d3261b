"""The embedded PostgreSQL: development's database, started, guarded and stopped by the service."""

from app.db.embedded.errors import (
    ClusterInUse,
    ClusterUnusable,
    DiskFull,
    EmbeddedPostgresError,
    FolderUnreadable,
    NoOsAccount,
    NotACluster,
    NotInstalled,
    OtherVersion,
    SocketFolderUnsafe,
    StartAborted,
    StartFailed,
    WrongMode,
    WrongOwner,
)
from app.db.embedded.server import EmbeddedPostgres

__all__ = [
    "ClusterInUse",
    "ClusterUnusable",
    "DiskFull",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "FolderUnreadable",
    "NoOsAccount",
    "NotACluster",
    "NotInstalled",
    "OtherVersion",
    "SocketFolderUnsafe",
    "StartAborted",
    "StartFailed",
    "WrongMode",
    "WrongOwner",
]
