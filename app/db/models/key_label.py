"""What remains known of a key after its deletion."""

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from app.db.base import AccountId, Base, RowId, one_of
from botkeys.exchanges.model import ContractType, Environment


class KeyLabel(Base):
    """A small row beside each key that outlives it, for the trading data that name the key.

    `contract_type` is the last one that the key was switched to.
    """

    __tablename__ = "key_labels"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        CheckConstraint(one_of("environment", Environment), "environment"),
        CheckConstraint(one_of("contract_type", ContractType), "contract_type"),
    )

    account_id: Mapped[AccountId]
    key_id: Mapped[RowId]
    label: Mapped[str]
    exchange: Mapped[str]
    environment: Mapped[str]
    contract_type: Mapped[str]
