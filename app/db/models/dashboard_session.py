"""Sessions of people who signed in to the dashboard."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId
from app.db.models.account import NOW


class DashboardSession(Base):
    """One session. It is over at `expires_at`, at `ended_at`, or after idling since `last_used_at`.

    `secret_hash` is a keyed hash of the cookie. `proof` is a hash of what the session was opened
    with, and makes that usable once. `evidence` is the issuer's ID token, encrypted for the cookie;
    null for a session that a link opened. `address` and `user_agent` are those of the last use,
    which is written about once a minute.
    """

    __tablename__ = "dashboard_sessions"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        UniqueConstraint("account_id", "proof"),
        Index("ix_dashboard_sessions_over", text("least(expires_at, ended_at)")),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    secret_hash: Mapped[bytes]
    proof: Mapped[bytes]
    evidence: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_used_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    address: Mapped[str]
    user_agent: Mapped[str | None]
