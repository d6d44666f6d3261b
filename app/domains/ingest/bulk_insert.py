"""The tables that the items of a batch are stored in, and the one statement that inserts a
batch.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Text, TextClause, bindparam, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from app.domains.trading import kinds
from app.domains.trading.kinds import DataKind

OF_BATCH = ("account_id", "bot_id", "key_id", "exchange", "environment")
"""The columns that all rows of a batch share."""

_CONTROLS = ((r"\n", "\n"), (r"\r", "\r"), (r"\t", "\t"))
_NUL = "\0"
"""A character that never occurs in JSON."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Target(NamedTuple):
    """A table and its insert statement, which takes a whole batch: one `array_text` for each of
    `columns`.

    The first column holds the bot's own id. `members` reads the first columns from an item; `given`
    names the remaining ones.
    """

    kind: DataKind
    columns: tuple[str, ...]
    given: tuple[str, ...]
    members: Callable[[Any], tuple[Any, ...]]
    statement: TextClause

    def column(self, name: str) -> ColumnElement[Any]:
        return self.kind.table.c[name]


def array_text(values: Sequence[Any]) -> str:
    """Return the array in PostgreSQL's text form.

    The only control characters in its texts may be line breaks and tabs. JSON differs only in the
    brackets and in how it escapes these characters. The driver's own encoding of arrays takes three
    times as long.
    """
    written = orjson.dumps(values, default=str).decode()
    if any(escaped in written for escaped, _ in _CONTROLS):
        # Two backslashes stand for one that was sent, so what follows them is literal.
        written = written.replace(r"\\", _NUL)
        for escaped, control in _CONTROLS:
            written = written.replace(escaped, control)
        written = written.replace(_NUL, r"\\")
    return "{" + written[1:-1] + "}"


def _target(kind: DataKind, *members: str, given: tuple[str, ...], name: str = "id") -> Target:
    """Return the target. `members` name both columns and members of an item; `name` is the id's
    column.
    """
    table = kind.table
    columns = (name, *members, *given)
    parameters = [bindparam(name, type_=table.c[name].type) for name in OF_BATCH]
    arrays, values = [], []
    for column in columns:
        # JSON arrives as text.
        is_json = isinstance(table.c[column].type, JSONB)
        column_type = Text() if is_json else table.c[column].type
        parameters.append(bindparam(column, type_=Text()))
        arrays.append(f"CAST(CAST(:{column} AS text) AS {column_type.compile(dialect=_DIALECT)}[])")
        values.append(f"CAST({column} AS jsonb)" if is_json else column)
    statement = text(
        f"""
        INSERT INTO {table.name} ({", ".join((*OF_BATCH, *columns))})
        SELECT {", ".join(f":{name}" for name in OF_BATCH)}, {", ".join(values)}
        FROM unnest({", ".join(arrays)}) AS reported ({", ".join(columns)})
        ON CONFLICT (account_id, bot_id, {columns[0]}) DO NOTHING
        RETURNING {columns[0]}
        """  # noqa: S608  # built from constants only
    )
    return Target(
        kind,
        columns,
        given,
        attrgetter("id", *members),
        statement.bindparams(*parameters),
    )


TRADES = _target(
    kinds.TRADES,
    "symbol",
    "side",
    "quantity",
    "entry_price",
    "exit_price",
    "fees",
    "leverage",
    "margin_mode",
    "position_id",
    "opened_at",
    "closed_at",
    "exit_reason",
    given=("contract_type", "contract_size", "settle", "pnl"),
)
EQUITY_SNAPSHOTS = _target(
    kinds.EQUITY_SNAPSHOTS,
    "at",
    "equity",
    "balance",
    "unrealised_pnl",
    "settle",
    "reset",
    given=("contract_type",),
)
SIGNALS = _target(
    kinds.SIGNALS,
    "at",
    "symbol",
    "name",
    "direction",
    "score",
    "acted",
    "data",
    given=("contract_type",),
)
EVENTS = _target(
    kinds.BOT_EVENTS,
    "at",
    "kind",
    "level",
    "message",
    "data",
    given=("contract_type", "id"),
    name="reported_id",
)
