"""The SQL of the facts that decide about opening positions, shared by every statement that reads
them.

For statements with the tables `keys` and `bots`, or with rows of these names.
"""


def freezes_of(account: str) -> str:
    """Return the condition for the freezes that stop the key, or the bot without one."""
    return (
        f"freezes.account_id = {account} AND (freezes.scope = 'account'"
        " OR freezes.exchange = keys.exchange OR freezes.key_id = keys.id)"
    )


CATALOGUE = """
    LEFT JOIN catalogues AS catalogue
        ON catalogue.exchange = keys.exchange AND catalogue.environment = keys.environment
        AND catalogue.region = coalesce(keys.region, '')
        AND catalogue.contract_type = keys.contract_type
"""
CATALOGUE_KNOWN = "(catalogue.instruments_fetched_at IS NOT NULL)"
"""Whether the catalogue of the key was ever fetched; false without a key."""
