"""Has the server keep its plans of prepared statements.

PostgreSQL plans a prepared statement again each time while it expects that a plan for the values at
hand costs less than one for any. For configurations, which are joined from ten tables by their
keys, planning takes five times as long as reading, and both plans are the same. Whether the server
does so changes with the tables' statistics: after an ANALYZE, heartbeats cost it twice as much.
"""

from typing import Any

from sqlalchemy import Engine, event

from app.db.nodes import IS_CITUS

# Citus finds the node of an account by the value, and can plan some statements for no other.
_KEEP = f"SELECT set_config('plan_cache_mode', 'force_generic_plan', false) WHERE NOT {IS_CITUS}"


def keep_plans(engine: Engine) -> None:
    """Keep the plans on each connection that the engine's pool makes from now on.

    For a pool whose statements all find their rows by keys, whatever the values are.
    """

    @event.listens_for(engine, "connect")
    def made(connection: Any, _entry: object) -> None:
        connection.run_async(lambda driver: driver.execute(_KEEP))
