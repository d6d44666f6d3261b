"""How many rows a bot stored on its latest day."""

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from app.db.base import AccountId, Base, RowId


class IngestDay(Base):
    """The rows that a bot stored on the last UTC day on which it stored any.

    Half of each page is left free, so that a new row version fits beside the old one.
    """

    __tablename__ = "ingest_days"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "bot_id"], ["bots.account_id", "bots.id"], ondelete="CASCADE"
        ),
        CheckConstraint("stored >= 0", "not_negative"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    day: Mapped[date]
    stored: Mapped[int]
