"""What the catalogue says of a trading asset, as joins for statements about assets.

For statements that name `keys` and `assets`. PostgreSQL thinks that the four words of a catalogue
leave one row, and a plain join would walk through a whole catalogue for each asset: OFFSET 0 keeps
the look-ups by symbol apart.
"""

_OF_ASSET = """
          exchange = keys.exchange AND environment = keys.environment
          AND region = coalesce(keys.region, '') AND contract_type = keys.contract_type
          AND symbol = assets.symbol
        OFFSET 0
"""
OF_ASSETS = " ".join(
    f"LEFT JOIN LATERAL (SELECT * FROM {table} WHERE {_OF_ASSET}) AS {name} ON true"  # noqa: S608  # names of our own
    for table, name in (
        ("instruments", "listing"),
        ("instrument_prices", "priced"),
        ("learned_leverages", "learned"),
    )
)
"""Joins `listing`, `priced` and `learned`, whose columns are null where nothing is known."""

MAX_LEVERAGE = "coalesce(listing.max_leverage, learned.max_leverage)"
"""The listing's, else what a signed call told; null: not known."""
