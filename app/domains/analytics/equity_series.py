"""The series of equity: one for each key and settle asset that has snapshots."""

_NEXT = """
    SELECT key_id, settle, bot_id FROM equity_snapshots AS taken
    WHERE taken.account_id = :account AND taken.environment = :environment {beyond}
    ORDER BY taken.key_id, taken.settle, taken.bot_id LIMIT 1
"""

REPORTED = f"""
reported AS (
    ({_NEXT.format(beyond="")})
    UNION ALL
    SELECT following.* FROM reported CROSS JOIN LATERAL ({
    _NEXT.format(
        beyond="AND (taken.key_id, taken.settle, taken.bot_id)"
        " > (reported.key_id, reported.settle, reported.bot_id)"
    )
}) AS following
)
"""  # noqa: S608  # built from constants only
"""A recursive CTE: every key, settle asset and bot of the environment that has a snapshot.

It skips through their index, so its cost depends on how many series there are, not on how many
snapshots they have.
"""
