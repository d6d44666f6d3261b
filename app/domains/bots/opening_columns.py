"""The SQL of the facts that decide about opening positions, shared by every statement that reads
them.

For statements with the tables `keys` and `bots`, or with rows of these names.
"""


def wide_freezes(account: str) -> str:
    """Return the condition for the freezes of the whole account and of exchanges, which are few.

    The scopes are in the order of the alphabet.
    """
    return f"freezes.account_id = {account} AND freezes.scope < 'key'"


def freeze_of_key(account: str) -> str:
    """Return the condition for the one freeze of the key itself, found by an index at once."""
    return (
        f"freezes.account_id = {account} AND freezes.scope = 'key'"
        " AND freezes.exchange IS NULL AND freezes.key_id = keys.id"
    )


def frozen(account: str) -> str:
    """Return the condition for keys, or bots without one, that a freeze stops.

    It looks at no freeze of another key, of which an account may have many.
    """
    return f"""(
        EXISTS (
            SELECT FROM freezes WHERE {wide_freezes(account)}
            AND (freezes.exchange IS NULL OR freezes.exchange = keys.exchange)
        ) OR coalesce((SELECT true FROM freezes WHERE {freeze_of_key(account)}), false)
    )"""  # noqa: S608  # built from constants only


CATALOGUE = """
    LEFT JOIN catalogues AS catalogue
        ON catalogue.exchange = keys.exchange AND catalogue.environment = keys.environment
        AND catalogue.region = coalesce(keys.region, '')
        AND catalogue.contract_type = keys.contract_type
"""
CATALOGUE_KNOWN = "(catalogue.instruments_fetched_at IS NOT NULL)"
"""Whether the catalogue of the key was ever fetched; false without a key."""
