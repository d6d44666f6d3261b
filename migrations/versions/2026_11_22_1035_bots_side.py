"""The bot's side: trading assets, whole positions, presence that is announced, labels of keys."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HELD = "status IN ('opening', 'open')"

NEW = (
    ("SELECT, INSERT, UPDATE, DELETE", "trading_assets", "botkeys_api"),
    # A row lock needs the right to update a column.
    ("SELECT, UPDATE (updated_at)", "trading_assets", "botkeys_runtime"),
    ("SELECT, INSERT, UPDATE, DELETE", "key_labels", "botkeys_api"),
    ("SELECT", "key_labels", "botkeys_runtime"),
    ("SELECT, INSERT, DELETE", "freezes", "botkeys_api"),
    ("SELECT", "freezes", "botkeys_runtime"),
    ("SELECT, INSERT", "assignments", "botkeys_api"),
    ("SELECT", "assignments", "botkeys_runtime"),
)

CLOSING = "UPDATE (status, close_reason, closed_at, expires_at, updated_at)"
HEALTH = (
    "UPDATE (permission_read, permission_trade, permission_withdraw, permission_ip_restricted,"
    " expires_at, expiry_announced, verification_status, verification_reason,"
    " verification_possible, verification_checked_at, health_checked_at, revision)"
)
EXPIRY = "SELECT (account_id, id, label, expires_at, expiry_announced), UPDATE (expiry_announced)"
MORE = (
    # A contract switch locks the bot's presence; what api can write there says nothing.
    ("UPDATE (last_heartbeat_at)", "presence", "botkeys_api"),
    # A user closes the position of a dead bot by hand.
    (CLOSING, "positions", "botkeys_api"),
    ("INSERT", "bot_events", "botkeys_api"),
    # What a bot finds out about its key at the exchange.
    (HEALTH, "keys", "botkeys_runtime"),
    # Who went offline, what expires, which reservations lapsed.
    ("SELECT", "bots", "botkeys_worker"),
    ("SELECT, UPDATE (announced_online)", "presence", "botkeys_worker"),
    (EXPIRY, "keys", "botkeys_worker"),
    (f"SELECT, {CLOSING}", "positions", "botkeys_worker"),
    ("SELECT, INSERT", "bot_events", "botkeys_worker"),
)


def _now(name: str) -> sa.Column[Any]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text("clock_timestamp()"),
        nullable=False,
    )


def upgrade() -> None:
    op.create_table(
        "trading_assets",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("leverage", sa.Numeric(), nullable=True),
        sa.Column("margin_mode", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        _now("created_at"),
        _now("updated_at"),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_trading_assets_contract_type")
        ),
        sa.CheckConstraint(
            "margin_mode IN ('cross', 'isolated')", name=op.f("ck_trading_assets_margin_mode")
        ),
        sa.CheckConstraint("leverage > 0", name=op.f("ck_trading_assets_leverage_positive")),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_trading_assets_counted_from_one")),
        sa.ForeignKeyConstraint(
            ["account_id", "key_id"],
            ["keys.account_id", "keys.id"],
            name=op.f("fk_trading_assets_account_id_key_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "key_id", "contract_type", "symbol", name=op.f("pk_trading_assets")
        ),
    )
    op.create_table(
        "key_labels",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_key_labels_environment")
        ),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_key_labels_contract_type")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_key_labels_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "key_id", name=op.f("pk_key_labels")),
    )
    op.create_table(
        "assignments",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        _now("first_at"),
        sa.ForeignKeyConstraint(
            ["account_id", "bot_id"],
            ["bots.account_id", "bots.id"],
            name=op.f("fk_assignments_account_id_bot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", "key_id", name=op.f("pk_assignments")),
    )
    op.create_table(
        "freezes",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        _now("created_at"),
        sa.CheckConstraint(
            "scope IN ('account', 'exchange', 'key')", name=op.f("ck_freezes_scope")
        ),
        sa.CheckConstraint(
            "(scope = 'exchange') = (exchange IS NOT NULL)",
            name=op.f("ck_freezes_exchange_of_scope"),
        ),
        sa.CheckConstraint(
            "(scope = 'key') = (key_id IS NOT NULL)", name=op.f("ck_freezes_key_of_scope")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_freezes_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "key_id"],
            ["keys.account_id", "keys.id"],
            name=op.f("fk_freezes_account_id_key_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_freezes")),
        sa.UniqueConstraint(
            "account_id",
            "scope",
            "exchange",
            "key_id",
            name=op.f("uq_freezes_account_id_scope_exchange_key_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.execute(
        "INSERT INTO key_labels (account_id, key_id, label, exchange, environment, contract_type)"
        " SELECT account_id, id, label, exchange, environment, contract_type FROM keys"
    )
    op.execute(
        "INSERT INTO assignments (account_id, bot_id, key_id)"
        " SELECT account_id, id, key_id FROM bots WHERE key_id IS NOT NULL"
    )
    op.add_column(
        "presence",
        sa.Column("announced_online", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.execute("ALTER TABLE presence SET (fillfactor = 50)")
    op.add_column("accounts", sa.Column("closing_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("keys", sa.Column("expiry_announced", sa.BigInteger(), nullable=True))
    op.add_column("keys", sa.Column("health_checked_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX ix_keys_expiry ON keys (expires_at)"
        " WHERE expires_at IS NOT NULL AND expiry_announced IS DISTINCT FROM 0"
    )
    op.execute(
        "-- squawk-ignore ban-drop-not-null\n"
        "ALTER TABLE bot_events ALTER COLUMN bot_id DROP NOT NULL"
    )
    _whole_positions()
    for rights, table, role in (*NEW, *MORE):
        op.execute(f"GRANT {rights} ON {table} TO {role}")


def _whole_positions() -> None:
    """Nothing wrote positions before this, so no lock here waits for a scan."""
    for name in ("leverage", "entry_price", "exit_price", "fees"):
        op.add_column("positions", sa.Column(name, sa.Numeric(), nullable=True))
    op.add_column("positions", sa.Column("revision", sa.BigInteger(), nullable=True))
    for name in ("opened_at", "closed_at"):
        op.add_column("positions", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("positions", sa.Column("close_reason", sa.Text(), nullable=True))
    op.execute("UPDATE positions SET close_reason = 'reported' WHERE status = 'closed'")
    for name, condition in (
        ("closed_for_a_reason", "(status = 'closed') = (close_reason IS NOT NULL)"),
        ("close_reason", "close_reason IN ('reported', 'by_hand', 'lapsed')"),
        ("quantity_not_negative", "quantity >= 0"),
    ):
        op.execute(
            "-- squawk-ignore constraint-missing-not-valid\n"
            f"ALTER TABLE positions ADD CONSTRAINT ck_positions_{name} CHECK ({condition})"
        )
    for name, columns in (
        ("held_by_key", f"(account_id, key_id, symbol) WHERE {HELD}"),
        ("page", "(account_id, environment, created_at DESC, bot_id DESC, id DESC)"),
    ):
        op.execute(
            "-- squawk-ignore require-concurrent-index-creation\n"
            f"CREATE INDEX ix_positions_{name} ON positions {columns}"
        )


def downgrade() -> None:
    for rights, table, role in MORE:
        op.execute(f"REVOKE {rights} ON {table} FROM {role}")
    op.execute("DROP INDEX ix_positions_page, ix_positions_held_by_key")
    for name in ("quantity_not_negative", "close_reason", "closed_for_a_reason"):
        op.drop_constraint(op.f(f"ck_positions_{name}"), "positions")
    for name in (
        *("close_reason", "closed_at", "opened_at", "revision", "fees", "exit_price"),
        *("entry_price", "leverage"),
    ):
        op.drop_column("positions", name)
    op.execute("DELETE FROM bot_events WHERE bot_id IS NULL")
    op.alter_column("bot_events", "bot_id", nullable=False)
    op.execute("DROP INDEX ix_keys_expiry")
    op.drop_column("keys", "health_checked_at")
    op.drop_column("keys", "expiry_announced")
    op.drop_column("accounts", "closing_at")
    op.drop_column("presence", "announced_online")
    op.execute("ALTER TABLE presence RESET (fillfactor)")
    for table in ("freezes", "assignments", "key_labels", "trading_assets"):
        op.drop_table(table)
