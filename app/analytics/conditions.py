"""What no deletion mark covers, for statements that are written as text."""

from collections.abc import Sequence

from sqlalchemy import DateTime, Text, Uuid, and_, column, table, true
from sqlalchemy.dialects import postgresql

from app.trading.marks import Mark, not_covered

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def kept(marks: Sequence[Mark], environment: str, name: str, time: str) -> str:
    """The condition for the rows of `name`, a table or an alias, whose time is its column `time`.

    It holds ids and times of the marks as literals, which the planner can reckon with.
    """
    moment = DateTime(timezone=True)
    rows = table(name, column("environment", Text), column("key_id", Uuid), column(time, moment))
    left = not_covered(marks, rows, rows.c[time], environment)
    options = {"literal_binds": True}
    return f"({and_(true(), *left).compile(dialect=_DIALECT, compile_kwargs=options)})"
