"""The versions of the master key, and which of them each runtime process holds."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.models.account import NOW


class MasterKeyVersion(Base):
    """A version whose private half a runtime process holds: only the role `runtime` adds rows.

    `fingerprint` is the public key's hash. The role `api` seals to nothing that is not here.
    """

    __tablename__ = "master_keys"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class MasterKeyHolder(Base):
    """A runtime process and the versions that it holds; it renews `seen_at` while it runs.

    `process` is its name for people: host and process id.
    """

    __tablename__ = "master_key_holders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    process: Mapped[str]
    versions: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)
