"""The maximum leverages that an exchange states in signed calls, which answer for one account."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId, one_of
from botkeys.exchanges.model import ContractType


class KeyLeverage(Base):
    """The latest answer to one key: `max_leverages` maps symbols to decimals as text."""

    __tablename__ = "key_leverages"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "key_id"], ["keys.account_id", "keys.id"], ondelete="CASCADE"
        ),
        CheckConstraint(one_of("contract_type", ContractType), "contract_type"),
    )

    account_id: Mapped[AccountId]
    key_id: Mapped[RowId]
    contract_type: Mapped[str] = mapped_column(primary_key=True)
    max_leverages: Mapped[dict[str, Any]]
    learned_at: Mapped[datetime]
