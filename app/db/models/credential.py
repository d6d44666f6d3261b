"""Sealed credentials. The role `api` may add and remove them, but not read them."""

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId


class KeyCredential(Base):
    """One version of one key's credentials; docs/custody.md describes the bytes.

    A key pair has two rows: its private half under the version, and under the negated version the
    API key that the exchange gave it, which arrives later and is sealed with a data key of its own.
    """

    __tablename__ = "key_credentials"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "key_id"], ["keys.account_id", "keys.id"], ondelete="CASCADE"
        ),
        CheckConstraint("octet_length(nonce) = 12", "nonce_length"),
        Index("ix_key_credentials_master_key_version", "account_id", "master_key_version"),
        # Finds the versions in use without reading every row.
        Index("ix_key_credentials_in_use", "master_key_version"),
    )

    account_id: Mapped[AccountId]
    key_id: Mapped[RowId]
    version: Mapped[int] = mapped_column(primary_key=True)
    ciphertext: Mapped[bytes]
    nonce: Mapped[bytes]
    sealed_data_key: Mapped[bytes]
    master_key_version: Mapped[int]
