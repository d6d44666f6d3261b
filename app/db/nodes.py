"""Whether the database is a Citus cluster's, and over how many tables it spreads each of ours."""

from sqlalchemy import text

from app.db.driver import Executor, Statement

IS_CITUS = "EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"

_IS_CITUS = Statement(text(f"SELECT {IS_CITUS}"))
_SHARDS = Statement(
    text("SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = to_regclass('accounts')")
)


async def count_shards(executor: Executor) -> int:
    """Return how many tables hold the rows of one of ours in a Citus cluster; else 0."""
    ((is_citus,),) = await executor.fetch(_IS_CITUS)
    if not is_citus:
        return 0
    ((count,),) = await executor.fetch(_SHARDS)
    return int(count)
