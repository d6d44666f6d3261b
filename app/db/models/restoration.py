"""Recoveries of the database to an earlier moment."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.models.account import NOW


class Restoration(Base):
    """A recovery to `restored_to`. Later versions of credentials are above `version_floor`."""

    __tablename__ = "restorations"

    version_floor: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    restored_to: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=NOW)
