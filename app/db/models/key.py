"""Keys: everything that may be shown of them. The rest is in `key_credentials`."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW
from botkeys.exchanges.model import ContractType, Environment, MarginMode, PermissionAnswer

MAY_EXPIRE = text("expires_at IS NOT NULL AND expiry_announced IS DISTINCT FROM 0")
"""Keys whose expiry still has to be announced by an event: the condition of their index."""

VERIFICATION = ("verified", "unreachable", "unknown", "skipped", "rejected")


class Key(Base):
    """A key. `fingerprint` finds duplicates; `revision` is the ETag; `version` counts replacements.

    `margin_mode` is the one of all symbols where the exchange account has only one; it stands above
    what the assets hold, so that they cannot differ. Null elsewhere, and until an asset sets it.
    `exchange_account` is a keyed hash of the exchange's account id. `expiry_announced` is the
    fewest days before `expires_at` that an event has announced; `health_checked_at` is when a bot
    last checked this version, by the bot's own clock. `unverified`: the credentials were stored
    without asking an exchange that tells whether a key can withdraw; nobody has found out since.
    `public_key` is the PEM of a key pair made here; until its API key is known, the key is
    `awaiting_api_key`, its mask is empty and its fingerprint random. `active_since` is when
    `active` last changed, `verification_since` when the status or the reason of the verification
    did; both are null where that was before they were recorded.
    """

    __tablename__ = "keys"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        UniqueConstraint("account_id", "fingerprint"),
        CheckConstraint(one_of("environment", Environment), "environment"),
        CheckConstraint(one_of("contract_type", ContractType), "contract_type"),
        CheckConstraint(one_of("margin_mode", MarginMode), "margin_mode"),
        CheckConstraint(one_of("verification_status", VERIFICATION), "verification_status"),
        *(
            CheckConstraint(one_of(f"permission_{name}", PermissionAnswer), f"permission_{name}")
            for name in ("read", "trade", "withdraw", "ip_restricted")
        ),
        CheckConstraint("version >= 1 AND revision >= 1", "counted_from_one"),
        Index("ix_keys_page", "account_id", text("id DESC")),
        # With the collation "C", which is not compared with the migrations.
        Index("ix_keys_label", "account_id", text("lower(label)"), "id"),
        Index("ix_keys_created_at", "account_id", "created_at", "id"),
        Index("ix_keys_exchange", "account_id", "exchange", "id"),
        Index("ix_keys_expires_at", "account_id", text("coalesce(expires_at, 'infinity')"), "id"),
        # Finds the keys of a catalogue, of whatever account.
        Index(
            "ix_keys_catalogue",
            *("exchange", "environment", "contract_type", text("coalesce(region, '')")),
        ),
        Index("ix_keys_expiring", "expiry_announced", "expires_at", postgresql_where=MAY_EXPIRE),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    label: Mapped[str]
    exchange: Mapped[str]
    environment: Mapped[str]
    region: Mapped[str | None]
    contract_type: Mapped[str]
    margin_mode: Mapped[str | None]
    masked_key: Mapped[str]
    fingerprint: Mapped[bytes]
    active: Mapped[bool]
    permission_read: Mapped[str]
    permission_trade: Mapped[str]
    permission_withdraw: Mapped[str]
    permission_ip_restricted: Mapped[str]
    expires_at: Mapped[datetime | None]
    expiry_announced: Mapped[int | None]
    exchange_account: Mapped[bytes | None]
    verification_status: Mapped[str]
    verification_reason: Mapped[str | None]
    verification_possible: Mapped[list[Any] | None]
    verification_code: Mapped[str | None]
    verification_checked_at: Mapped[datetime | None]
    unverified: Mapped[bool] = mapped_column(server_default=false())
    health_checked_at: Mapped[datetime | None]
    last_release_at: Mapped[datetime | None]
    last_release_from: Mapped[str | None]
    public_key: Mapped[str | None]
    awaiting_api_key: Mapped[bool] = mapped_column(server_default=false())
    active_since: Mapped[datetime | None] = mapped_column(server_default=NOW)
    verification_since: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
