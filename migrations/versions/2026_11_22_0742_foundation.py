"""Foundation: accounts, keys, bots, releases, positions, audit log; and who may do what to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


ROLES = ("botkeys_api", "botkeys_runtime", "botkeys_worker")

AUDIT = (
    "GRANT SELECT, INSERT ON audit_events TO {0}",
    "GRANT SELECT, INSERT, UPDATE ON audit_heads TO {0}",
)

GRANTS = {
    # The role `api` adds and removes sealed credentials; it may not read them, and bot tokens
    # do not exist for it.
    "botkeys_api": (
        *AUDIT,
        "GRANT SELECT, INSERT, UPDATE ON accounts TO {0}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON keys, bots, idempotency_records TO {0}",
        "GRANT INSERT, DELETE ON key_credentials TO {0}",
        "GRANT SELECT (account_id, key_id, version, master_key_version) ON key_credentials TO {0}",
        "GRANT SELECT ON positions, presence, releases, bot_events TO {0}",
        "GRANT SELECT, INSERT ON master_keys TO {0}",
    ),
    # The role `runtime` mints and checks bot tokens and releases credentials; of keys and bots it
    # changes nothing but what it reports itself. A row lock needs the right to update a column:
    # `updated_at` is that column.
    "botkeys_runtime": (
        *AUDIT,
        "GRANT SELECT, INSERT ON accounts TO {0}",
        "GRANT UPDATE (created_at) ON accounts TO {0}",
        "GRANT SELECT ON keys, bots, key_credentials TO {0}",
        "GRANT UPDATE (last_release_at, last_release_from, updated_at) ON keys TO {0}",
        "GRANT UPDATE (updated_at) ON bots TO {0}",
        "GRANT UPDATE (sealed_data_key, master_key_version) ON key_credentials TO {0}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON bot_tokens, idempotency_records TO {0}",
        "GRANT SELECT, INSERT, UPDATE ON presence, positions TO {0}",
        "GRANT SELECT, INSERT ON bot_events, releases, master_keys TO {0}",
    ),
    # The worker tidies up.
    "botkeys_worker": ("GRANT SELECT, DELETE ON releases, idempotency_records TO {0}",),
}


def _create_roles() -> None:
    """Roles belong to the server, not to a database: they may be there already."""
    for role in ROLES:
        op.execute(
            f"""
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                    CREATE ROLE {role} NOLOGIN;
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
            """
        )


def _grant() -> None:
    for role, grants in GRANTS.items():
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        op.execute(f"GRANT SELECT ON alembic_version TO {role}")
        for grant in grants:
            op.execute(grant.format(role))


def upgrade() -> None:
    _create_roles()
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "audit_heads",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "master_keys",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_master_keys")),
    )
    op.create_table(
        "audit_events",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('allowed', 'refused')", name=op.f("ck_audit_events_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["audit_heads.account_id"], name=op.f("fk_audit_events_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "sequence", name=op.f("pk_audit_events")),
    )
    op.create_table(
        "bot_events",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_bot_events_environment")
        ),
        sa.CheckConstraint(
            "level IN ('info', 'warning', 'error')", name=op.f("ck_bot_events_level")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_bot_events_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_bot_events")),
    )
    op.create_index(
        "ix_bot_events_page",
        "bot_events",
        ["account_id", "environment", sa.literal_column("at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "idempotency_records",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_idempotency_records_account_id")
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "idempotency_key", name=op.f("pk_idempotency_records")
        ),
    )
    op.create_index(
        "ix_idempotency_records_age",
        "idempotency_records",
        ["account_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "keys",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.Column("masked_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("permission_read", sa.Text(), nullable=False),
        sa.Column("permission_trade", sa.Text(), nullable=False),
        sa.Column("permission_withdraw", sa.Text(), nullable=False),
        sa.Column("permission_ip_restricted", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exchange_account", sa.LargeBinary(), nullable=True),
        sa.Column("verification_status", sa.Text(), nullable=False),
        sa.Column("verification_reason", sa.Text(), nullable=True),
        sa.Column("verification_possible", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("verification_checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_release_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_release_from", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_keys_contract_type")
        ),
        sa.CheckConstraint("environment IN ('live', 'testnet')", name=op.f("ck_keys_environment")),
        sa.CheckConstraint(
            "permission_ip_restricted IN ('yes', 'no', 'unknown')",
            name=op.f("ck_keys_permission_ip_restricted"),
        ),
        sa.CheckConstraint(
            "permission_read IN ('yes', 'no', 'unknown')", name=op.f("ck_keys_permission_read")
        ),
        sa.CheckConstraint(
            "permission_trade IN ('yes', 'no', 'unknown')", name=op.f("ck_keys_permission_trade")
        ),
        sa.CheckConstraint(
            "permission_withdraw IN ('yes', 'no', 'unknown')",
            name=op.f("ck_keys_permission_withdraw"),
        ),
        sa.CheckConstraint(
            "verification_status IN ('verified', 'unreachable', 'skipped', 'rejected')",
            name=op.f("ck_keys_verification_status"),
        ),
        sa.CheckConstraint("version >= 1 AND revision >= 1", name=op.f("ck_keys_counted_from_one")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_keys_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_keys")),
        sa.UniqueConstraint(
            "account_id", "fingerprint", name=op.f("uq_keys_account_id_fingerprint")
        ),
    )
    op.create_index(
        "ix_keys_page", "keys", ["account_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "positions",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("margin_mode", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(status = 'opening') = (expires_at IS NOT NULL)",
            name=op.f("ck_positions_only_openings_expire"),
        ),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_positions_contract_type")
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_positions_environment")
        ),
        sa.CheckConstraint(
            "margin_mode IN ('cross', 'isolated')", name=op.f("ck_positions_margin_mode")
        ),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_positions_side")),
        sa.CheckConstraint(
            "status IN ('opening', 'open', 'closed')", name=op.f("ck_positions_status")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_positions_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", "id", name=op.f("pk_positions")),
    )
    op.create_index(
        "ix_positions_held",
        "positions",
        ["account_id", "bot_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('opening', 'open')"),
    )
    op.create_table(
        "bots",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_bots_counted_from_one")),
        sa.ForeignKeyConstraint(
            ["account_id", "key_id"],
            ["keys.account_id", "keys.id"],
            name=op.f("fk_bots_account_id_key_id"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_bots_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_bots")),
        sa.UniqueConstraint("account_id", "key_id", name=op.f("uq_bots_account_id_key_id")),
    )
    op.create_index(
        "ix_bots_page", "bots", ["account_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "key_credentials",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_data_key", sa.LargeBinary(), nullable=False),
        sa.Column("master_key_version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "octet_length(nonce) = 12", name=op.f("ck_key_credentials_nonce_length")
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "key_id"],
            ["keys.account_id", "keys.id"],
            name=op.f("fk_key_credentials_account_id_key_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "key_id", "version", name=op.f("pk_key_credentials")),
    )
    op.create_index(
        "ix_key_credentials_master_key_version",
        "key_credentials",
        ["account_id", "master_key_version"],
        unique=False,
    )
    op.create_table(
        "bot_tokens",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_bot_tokens_hash_length")),
        sa.ForeignKeyConstraint(
            ["account_id", "bot_id"],
            ["bots.account_id", "bots.id"],
            name=op.f("fk_bot_tokens_account_id_bot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", name=op.f("pk_bot_tokens")),
    )
    op.create_table(
        "presence",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("last_heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "bot_id"],
            ["bots.account_id", "bots.id"],
            name=op.f("fk_presence_account_id_bot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "bot_id", name=op.f("pk_presence")),
    )
    op.create_table(
        "releases",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "bot_id"],
            ["bots.account_id", "bots.id"],
            name=op.f("fk_releases_account_id_bot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_releases")),
    )
    op.create_index(
        "ix_releases_recent",
        "releases",
        ["account_id", "bot_id", sa.literal_column("at DESC")],
        unique=False,
    )
    _grant()


def downgrade() -> None:
    op.drop_table("releases")
    op.drop_table("presence")
    op.drop_table("bot_tokens")
    op.drop_table("key_credentials")
    op.drop_table("bots")
    op.drop_table("positions")
    op.drop_table("keys")
    op.drop_table("idempotency_records")
    op.drop_table("bot_events")
    op.drop_table("audit_events")
    op.drop_table("master_keys")
    op.drop_table("audit_heads")
    op.drop_table("accounts")
