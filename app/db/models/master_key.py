"""The versions of the master key that were ever used for sealing."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.models.account import NOW


class MasterKeyVersion(Base):
    """A version. `fingerprint` is its public key's hash, which exposes a wrong file at start."""

    __tablename__ = "master_keys"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
