"""The catalogue: instruments, prices and learned leverage of the exchanges."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CATALOGUE = "catalogues, instruments, instrument_prices, learned_leverages"

GRANTS = (
    # Whoever looks first fetches, so api may; a key's check teaches it leverage.
    f"GRANT SELECT, INSERT, UPDATE ON {CATALOGUE} TO botkeys_api, botkeys_worker",
    f"GRANT SELECT ON {CATALOGUE} TO botkeys_runtime",
    # Which catalogues are in use.
    "GRANT SELECT (exchange, environment, region, contract_type) ON keys TO botkeys_worker",
)


def upgrade() -> None:
    op.create_table(
        "catalogues",
        sa.Column("instruments_fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("prices_fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "contract_type IN ('linear', 'inverse')", name=op.f("ck_catalogues_contract_type")
        ),
        sa.CheckConstraint(
            "environment IN ('live', 'testnet')", name=op.f("ck_catalogues_environment")
        ),
        sa.CheckConstraint(
            "(claim IS NULL) = (claimed_until IS NULL)", name=op.f("ck_catalogues_claims_lapse")
        ),
        sa.PrimaryKeyConstraint(
            "exchange", "environment", "region", "contract_type", name=op.f("pk_catalogues")
        ),
    )
    op.create_table(
        "instrument_prices",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("volume_24h", sa.Numeric(), nullable=True),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "exchange",
            "environment",
            "region",
            "contract_type",
            "symbol",
            name=op.f("pk_instrument_prices"),
        ),
    )
    op.create_table(
        "instruments",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("settle", sa.Text(), nullable=False),
        sa.Column("contract_size", sa.Numeric(), nullable=False),
        sa.Column("tick_size", sa.Numeric(), nullable=False),
        sa.Column("lot_size", sa.Numeric(), nullable=False),
        sa.Column("min_quantity", sa.Numeric(), nullable=False),
        sa.Column("max_leverage", sa.Numeric(), nullable=True),
        sa.Column("margin_modes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "exchange",
            "environment",
            "region",
            "contract_type",
            "symbol",
            name=op.f("pk_instruments"),
        ),
    )
    op.create_table(
        "learned_leverages",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("max_leverage", sa.Numeric(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("contract_type", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "exchange",
            "environment",
            "region",
            "contract_type",
            "symbol",
            name=op.f("pk_learned_leverages"),
        ),
    )
    for grant in GRANTS:
        op.execute(grant)


def downgrade() -> None:
    for table in CATALOGUE.split(", "):
        op.drop_table(table)
    op.execute(
        "REVOKE SELECT (exchange, environment, region, contract_type) ON keys FROM botkeys_worker"
    )
