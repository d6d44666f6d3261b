"""Trading data: trades, equity snapshots, signals, events of bots; deletion and its operations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEX = "require-concurrent-index-creation"
_CHECK = "constraint-missing-not-valid"
_NEWEST = "created_at DESC, bot_id DESC, id DESC"
MORE_INDEXES = (
    ("bot_events", "of_key", "key_id, environment, at DESC, id DESC"),
    ("bot_events", "of_bot", "bot_id, environment, at DESC, id DESC"),
    ("bot_events", "of_kind", "environment, kind, at DESC, id DESC"),
    ("bot_events", "of_level", "environment, level, at DESC, id DESC"),
    ("positions", "of_key", f"key_id, environment, {_NEWEST}"),
    ("positions", "of_bot", "bot_id, environment, created_at DESC, id DESC"),
    ("positions", "of_symbol", f"environment, symbol, {_NEWEST}"),
)
EXISTING = (
    (
        _CHECK,
        (
            "ALTER TABLE accounts ADD CONSTRAINT ck_accounts_environment"
            " CHECK (selected_environment IN ('live', 'testnet'))"
        ),
    ),
    (
        _CHECK,
        (
            "ALTER TABLE bot_events ADD CONSTRAINT ck_bot_events_contract_type"
            " CHECK (contract_type IN ('linear', 'inverse'))"
        ),
    ),
    (
        "disallowed-unique-constraint",
        (
            "ALTER TABLE bot_events ADD CONSTRAINT uq_bot_events_account_id_bot_id_reported_id"
            " UNIQUE (account_id, bot_id, reported_id)"
        ),
    ),
    *(
        (_INDEX, f"CREATE INDEX ix_{table}_{name} ON {table} (account_id, {columns})")
        for table, name, columns in MORE_INDEXES
    ),
)

DATA = "trades, equity_snapshots, signals"
NEW = (
    ("SELECT, INSERT", DATA, "botkeys_runtime"),
    ("SELECT", DATA, "botkeys_api"),
    ("SELECT, DELETE", DATA, "botkeys_worker"),
    ("SELECT, INSERT, UPDATE", "deletion_marks, operations", "botkeys_api"),
    ("SELECT", "deletion_marks", "botkeys_runtime"),
    ("SELECT", "deletion_marks", "botkeys_worker"),
    ("SELECT", "trade_days, stale_days", "botkeys_api"),
    ("INSERT", "stale_days", "botkeys_runtime"),
    ("SELECT, INSERT, DELETE", "trade_days, stale_days", "botkeys_worker"),
    ("SELECT, UPDATE", "operations", "botkeys_worker"),
)
CLOSED = "UPDATE (created_at, closing_at, selected_environment, timezone, revision)"
MORE = (
    # A trade of a contract that nobody looked at yet has its catalogue fetched.
    ("INSERT, UPDATE", "catalogues, instruments, instrument_prices", "botkeys_runtime"),
    # Purging what was deleted, and what is left of a closed account.
    ("DELETE", "positions, bot_events", "botkeys_worker"),
    ("SELECT, DELETE", "key_labels", "botkeys_worker"),
    ("DELETE", "deletion_marks, operations", "botkeys_worker"),
    (f"SELECT, {CLOSED}", "accounts", "botkeys_worker"),
)


def upgrade() -> None:
    op.create_table(
        "deletion_marks",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("cutoff", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_deletion_marks_environment")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_deletion_marks_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_deletion_marks")),
        sa.UniqueConstraint(
            "account_id",
            "environment",
            "key_id",
            name=op.f("uq_deletion_marks_account_id_environment_key_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "equity_snapshots",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("equity", sa.Numeric(), nullable=False),
        sa.Column("balance", sa.Numeric(), nullable=True),
        sa.Column("unrealised_pnl", sa.Numeric(), nullable=True),
        sa.Column("settle", sa.Text(), nullable=False),
        sa.Column("reset", sa.Boolean(), nullable=False),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_equity_snapshots_contract_type")
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_equity_snapshots_environment")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_equity_snapshots_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", "id", name=op.f("pk_equity_snapshots")),
    )
    op.create_index(
        "ix_equity_snapshots_of_bot",
        "equity_snapshots",
        [
            "account_id",
            "bot_id",
            "environment",
            sa.literal_column("at DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "ix_equity_snapshots_of_key",
        "equity_snapshots",
        [
            "account_id",
            "key_id",
            "environment",
            sa.literal_column("at DESC"),
            sa.literal_column("bot_id DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "ix_equity_snapshots_page",
        "equity_snapshots",
        [
            "account_id",
            "environment",
            sa.literal_column("at DESC"),
            sa.literal_column("bot_id DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_table(
        "operations",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("scope", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("receipt", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_progress_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_operations_environment")
        ),
        sa.CheckConstraint(
            "kind IN ('delete_key_data', 'delete_data', 'close_account')",
            name=op.f("ck_operations_kind"),
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_operations_status"),
        ),
        sa.CheckConstraint(
            "(claim IS NULL) = (claimed_until IS NULL)", name=op.f("ck_operations_claims_lapse")
        ),
        sa.CheckConstraint("done >= 0 AND total >= 0", name=op.f("ck_operations_counts")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_operations_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_operations")),
    )
    op.create_index(
        "ix_operations_page",
        "operations",
        ["account_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_operations_unfinished",
        "operations",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.create_table(
        "signals",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("score", sa.Numeric(), nullable=True),
        sa.Column("acted", sa.Boolean(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_signals_contract_type")
        ),
        sa.CheckConstraint(
            "direction IN ('long', 'short', 'flat')", name=op.f("ck_signals_direction")
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_signals_environment")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_signals_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", "id", name=op.f("pk_signals")),
    )
    op.create_index(
        "ix_signals_of_bot",
        "signals",
        [
            "account_id",
            "bot_id",
            "environment",
            sa.literal_column("at DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "ix_signals_of_key",
        "signals",
        [
            "account_id",
            "key_id",
            "environment",
            sa.literal_column("at DESC"),
            sa.literal_column("bot_id DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "ix_signals_of_symbol",
        "signals",
        [
            "account_id",
            "environment",
            "symbol",
            sa.literal_column("at DESC"),
            sa.literal_column("bot_id DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "ix_signals_page",
        "signals",
        [
            "account_id",
            "environment",
            sa.literal_column("at DESC"),
            sa.literal_column("bot_id DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_table(
        "trades",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("entry_price", sa.Numeric(), nullable=False),
        sa.Column("exit_price", sa.Numeric(), nullable=False),
        sa.Column("fees", sa.Numeric(), nullable=False),
        sa.Column("leverage", sa.Numeric(), nullable=True),
        sa.Column("margin_mode", sa.Text(), nullable=True),
        sa.Column("position_id", sa.Text(), nullable=True),
        sa.Column("contract_size", sa.Numeric(), nullable=True),
        sa.Column("settle", sa.Text(), nullable=True),
        sa.Column("pnl", sa.Numeric(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exit_reason", sa.Text(), nullable=True),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_trades_contract_type")
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_trades_environment")
        ),
        sa.CheckConstraint(
            "margin_mode IN ('cross', 'isolated')", name=op.f("ck_trades_margin_mode")
        ),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_trades_side")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_trades_account_id")
        ),
        sa.CheckConstraint(
            "(pnl IS NULL) = (contract_size IS NULL) AND (pnl IS NULL) = (settle IS NULL)",
            name=op.f("ck_trades_pnl_of_a_known_contract"),
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", "id", name=op.f("pk_trades")),
    )
    op.create_index(
        "ix_trades_of_bot",
        "trades",
        [
            "account_id",
            "bot_id",
            "environment",
            sa.literal_column("closed_at DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "ix_trades_of_key",
        "trades",
        [
            "account_id",
            "key_id",
            "environment",
            sa.literal_column("closed_at DESC"),
            sa.literal_column("bot_id DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "ix_trades_of_symbol",
        "trades",
        [
            "account_id",
            "environment",
            "symbol",
            sa.literal_column("closed_at DESC"),
            sa.literal_column("bot_id DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "ix_trades_page",
        "trades",
        [
            "account_id",
            "environment",
            sa.literal_column("closed_at DESC"),
            sa.literal_column("bot_id DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    _rollups()
    op.add_column("accounts", sa.Column("tokens_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("accounts", sa.Column("closing_operation_id", sa.Uuid(), nullable=True))
    op.add_column(
        "accounts",
        sa.Column("selected_environment", sa.Text(), server_default="live", nullable=False),
    )
    op.add_column(
        "accounts", sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False)
    )
    op.add_column(
        "accounts",
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
    )
    op.add_column("bot_events", sa.Column("exchange", sa.Text(), nullable=True))
    op.add_column("bot_events", sa.Column("contract_type", sa.Text(), nullable=True))
    op.add_column("bot_events", sa.Column("reported_id", sa.Text(), nullable=True))
    # The service's own few events and positions are all that can be there: no long scan.
    for ignored, statement in EXISTING:
        op.execute(f"-- squawk-ignore {ignored}\n{statement}")
    for rights, table, role in (*NEW, *MORE):
        op.execute(f"GRANT {rights} ON {table} TO {role}")


def _rollups() -> None:
    op.create_index(
        "ix_equity_snapshots_series",
        "equity_snapshots",
        ["account_id", "environment", "key_id", "settle", "bot_id"],
        unique=False,
    )
    op.create_index(
        "ix_equity_snapshots_resets",
        "equity_snapshots",
        ["account_id", "environment", "at"],
        unique=False,
        postgresql_where=sa.text("reset"),
    )
    op.create_table(
        "stale_days",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column(
            "marked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_stale_days_environment")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_stale_days_account_id")
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "environment", "day", "id", name=op.f("pk_stale_days")
        ),
    )
    op.create_index("ix_stale_days_marked_at", "stale_days", ["marked_at"], unique=False)
    amounts = ("pnl", "gross_profit", "gross_loss", "fees", "held")
    op.create_table(
        "trade_days",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("settle", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("trades", "wins", "losses")
        ),
        *(sa.Column(name, sa.Numeric(), nullable=False) for name in amounts),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=False)
            for name in ("first_opened", "first_at", "last_at")
        ),
        sa.Column("high", sa.Numeric(), nullable=False),
        sa.Column("high_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("low", sa.Numeric(), nullable=False),
        sa.Column("low_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drawdown", sa.Numeric(), nullable=False),
        sa.Column("peak_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trough_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_trade_days_environment")
        ),
        sa.CheckConstraint("scope BETWEEN 0 AND 7", name=op.f("ck_trade_days_scope")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_trade_days_account_id")
        ),
        sa.PrimaryKeyConstraint(
            *("account_id", "environment", "scope", "key_id", "bot_id", "symbol", "settle", "day"),
            name=op.f("pk_trade_days"),
        ),
    )
    op.create_index(
        "ix_trade_days_of_day", "trade_days", ["account_id", "environment", "day"], unique=False
    )


def downgrade() -> None:
    for rights, table, role in MORE:
        op.execute(f"REVOKE {rights} ON {table} FROM {role}")
    op.execute("DROP INDEX " + ", ".join(f"ix_{table}_{name}" for table, name, _ in MORE_INDEXES))
    for name in ("reported_id", "contract_type", "exchange"):
        op.drop_column("bot_events", name)
    for name in (
        "revision",
        "timezone",
        "selected_environment",
        "tokens_from",
        "closing_operation_id",
    ):
        op.drop_column("accounts", name)
    for table in (
        *("trade_days", "stale_days", "trades", "signals", "operations", "equity_snapshots"),
        "deletion_marks",
    ):
        op.drop_table(table)
