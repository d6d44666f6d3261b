"""Whether the database is a Citus cluster's, whose tables lie on several nodes."""

from sqlalchemy import text

from app.db.driver import Executor, Statement

IS_CITUS = "EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"

_IS_CITUS = Statement(text(f"SELECT {IS_CITUS}"))


async def has_nodes(executor: Executor) -> bool:
    ((found,),) = await executor.fetch(_IS_CITUS)
    return bool(found)
