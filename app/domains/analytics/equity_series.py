"""The series of equity: one for each key and settle asset of which snapshots were taken."""

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
"""  # noqa: S608  # names of our own
"""A recursive CTE: every key, settle asset and bot of the environment that has a snapshot.

It jumps from one to the next in their index, so that it costs as much as there are of them, however
many snapshots they have.
"""
