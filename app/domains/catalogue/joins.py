"""The catalogue's data of a trading asset, as joins for statements about assets.

For statements with the tables `keys` and `assets`. PostgreSQL estimates that the four columns of a
catalogue select one row, and a plain join would scan a whole catalogue for each asset: OFFSET 0
keeps the look-ups by symbol separate.
"""

from botkeys.exchanges.registry import EXCHANGES

_OF_ASSET = """
          exchange = keys.exchange AND environment = keys.environment
          AND region = coalesce(keys.region, '') AND contract_type = keys.contract_type
          AND symbol = assets.symbol
        OFFSET 0
"""
OF_ASSETS = " ".join(
    f"LEFT JOIN LATERAL (SELECT * FROM {table} WHERE {_OF_ASSET}) AS {name} ON true"  # noqa: S608  # constants only
    for table, name in (
        ("instruments", "listing"),
        ("instrument_prices", "priced"),
    )
)
OF_ASSETS += """
    LEFT JOIN key_leverages AS learned
        ON learned.account_id = keys.account_id AND learned.key_id = keys.id
        AND learned.contract_type = keys.contract_type
"""
"""Joins of `listing`, `priced` and `learned`, whose columns are null if nothing is known."""

MARGIN_MODE = "coalesce(keys.margin_mode, assets.margin_mode)"
"""An asset's margin mode: that of its exchange account where all symbols share one."""

_WITHOUT_CROSS_LEVERAGE = ", ".join(
    f"'{name}'" for name, profile in sorted(EXCHANGES.items()) if not profile.cross_leverage
)
LEVERAGE = (
    f"CASE WHEN keys.exchange IN ({_WITHOUT_CROSS_LEVERAGE}) AND assets.margin_mode = 'cross'"
    " THEN NULL ELSE assets.leverage END"
)
"""An asset's leverage; null with cross margin where the exchange has none then. What is stored is
kept for the time when the asset is isolated.
"""

MAX_LEVERAGE = """
    coalesce(
        listing.max_leverage, CAST(learned.max_leverages ->> assets.symbol AS numeric)
    )
"""
"""The listing's maximum, or else the one that a signed call stated to the key; null if unknown."""
