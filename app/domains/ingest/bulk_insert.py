"""The tables that the items of a batch are stored in, and the statements that take a whole batch:
one inserts it, one compares repeated items with what is stored, one completes trades.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BindParameter, ColumnElement, Table, Text, TextClause, bindparam, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.driver import Statement
from app.domains.trading import kinds
from app.domains.trading.kinds import DataKind

OF_BATCH = ("account_id", "bot_id", "key_id", "exchange", "environment")
"""The columns that all rows of a batch share."""

_ESCAPE = "\\"
_CONTROLS = ((r"\n", "\n"), (r"\r", "\r"), (r"\t", "\t"))
_NUL = "\0"
"""A character that never occurs in JSON."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Target(NamedTuple):
    """A table and its statements, which take a whole batch: one `array_text` for each of
    `columns`.

    The first column holds the bot's own id. `members` reads the first columns from an item; `given`
    names the remaining ones. `repeated` compares the columns `compared`, which `stated` reads
    from an item, with what is stored under the ids, and returns for each item its number, from 1,
    and whether it is the same. `looked_at` returns columns as they are stored, after the number; it
    is a statement of its own, since on several nodes the function that compares asks them itself.
    """

    kind: DataKind
    columns: tuple[str, ...]
    compared: tuple[str, ...]
    given: tuple[str, ...]
    members: Callable[[Any], tuple[Any, ...]]
    stated: Callable[[Any], tuple[Any, ...]]
    statement: Statement
    repeated: TextClause
    looked_at: TextClause | None

    def column(self, name: str) -> ColumnElement[Any]:
        return self.kind.table.c[name]


def array_text(values: Sequence[Any]) -> str:
    """Return the array in PostgreSQL's text form.

    The only control characters in its texts may be line breaks and tabs. JSON differs only in the
    brackets and in how it escapes these characters. The driver's own encoding of arrays takes three
    times as long.
    """
    if set(map(type, values)) == {Decimal}:
        return "{" + ",".join(map(str, values)) + "}"
    written = orjson.dumps(values, default=str).decode()
    if _ESCAPE in written and any(escaped in written for escaped, _ in _CONTROLS):
        # Two backslashes stand for one that was sent, so what follows them is literal.
        written = written.replace(r"\\", _NUL)
        for escaped, control in _CONTROLS:
            written = written.replace(escaped, control)
        written = written.replace(_NUL, r"\\")
    return "{" + written[1:-1] + "}"


def _target(
    kind: DataKind,
    *members: str,
    given: tuple[str, ...],
    stated: Mapping[str, str] = MappingProxyType({}),
    looked_at: tuple[str, ...] = (),
    name: str = "id",
) -> Target:
    """Return the target. `members` name both columns and members of an item; `name` is the id's
    column. `stated` are given columns that are compared with members of an item.
    """
    table = kind.table
    compared = (name, *members, *stated)
    columns = (name, *members, *given)
    of_batch = [bindparam(name, type_=table.c[name].type) for name in OF_BATCH]
    statement = f"""
        INSERT INTO {table.name} ({", ".join((*OF_BATCH, *columns))})
        SELECT {", ".join(f":{name}" for name in OF_BATCH)}, {_values(table, columns)}
        FROM {_reported(table, columns)}
        ON CONFLICT (account_id, bot_id, {name}) DO NOTHING
        RETURNING {name}
        """  # noqa: S608  # built from constants only, here and below
    repeated = """
        SELECT number, same
        FROM same_as_stored(
            :kind, :account_id, :bot_id, CAST(:compared AS text[]), CAST(:items AS jsonb)
        )
        """
    looked = f"""
        SELECT number, {", ".join(f"stored.{column}" for column in looked_at)}
        FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS reported (name, number)
        JOIN {table.name} AS stored ON stored.account_id = :account_id
            AND stored.bot_id = :bot_id AND stored.{name} = reported.name
        """  # noqa: S608
    ids = bindparam("ids", type_=ARRAY(Text()))
    return Target(
        kind=kind,
        columns=columns,
        compared=compared,
        given=given,
        members=attrgetter("id", *members),
        stated=attrgetter("id", *members, *stated.values()),
        statement=Statement(text(statement).bindparams(*of_batch, *_arrays(columns))),
        repeated=text(repeated).bindparams(
            *of_batch[:2],
            bindparam("kind", kind.name, type_=Text()),
            bindparam("compared", list(compared), type_=ARRAY(Text())),
            bindparam("items", type_=Text()),
        ),
        looked_at=text(looked).bindparams(*of_batch[:2], ids) if looked_at else None,
    )


def _arrays(columns: Sequence[str]) -> list[BindParameter[str]]:
    return [bindparam(column, type_=Text()) for column in columns]


def _reported(table: Table, columns: Sequence[str]) -> str:
    """Return a FROM clause of the arrays. JSON arrives as text."""
    arrays = []
    for column in columns:
        column_type = Text() if _is_json(table, column) else table.c[column].type
        arrays.append(f"CAST(CAST(:{column} AS text) AS {column_type.compile(dialect=_DIALECT)}[])")
    return f"unnest({', '.join(arrays)}) AS reported ({', '.join(columns)})"


def _values(table: Table, columns: Sequence[str]) -> str:
    return ", ".join(
        f"CAST({column} AS jsonb)" if _is_json(table, column) else column for column in columns
    )


def _changes(table: Table, columns: Sequence[str]) -> str:
    """Return what follows SET: the columns of the arrays replace the columns of the table."""
    return ", ".join(
        f"{column} = CAST(reported.{column} AS jsonb)"
        if _is_json(table, column)
        else f"{column} = reported.{column}"
        for column in columns
    )


def _is_json(table: Table, column: str) -> bool:
    return isinstance(table.c[column].type, JSONB)


def items_text(target: Target, rows: Sequence[Sequence[Any]]) -> str:
    """Return rows of `target.compared` as a JSON array of objects."""
    documents = [column for column in target.compared if _is_json(target.kind.table, column)]
    items = [dict(zip(target.compared, row, strict=True)) for row in rows]
    for item in items:
        for column in documents:
            if item[column] is not None:
                item[column] = orjson.Fragment(item[column])
    return orjson.dumps(items, default=str).decode()


CONTRACT = ("symbol", "contract_type", "contract_size", "settle", "pnl", "fees", "other_fees")
"""The columns of a trade that its contract decides, which a later report may complete."""

TRADES = _target(
    kinds.TRADES,
    "side",
    "quantity",
    "entry_price",
    "exit_price",
    "leverage",
    "margin_mode",
    "position_id",
    "opened_at",
    "closed_at",
    "exit_reason",
    given=CONTRACT,
    stated={"fees": "settle_fees", "other_fees": "other_fees"},
    looked_at=("key_id", "symbol", "contract_type", "contract_size", "settle"),
)
COMPLETE = text(
    f"""
    WITH held AS (
        SELECT id FROM trades
        WHERE account_id = :account_id AND bot_id = :bot_id AND settle IS NULL
            AND id IN (SELECT unnest(CAST(CAST(:id AS text) AS text[])))
        ORDER BY id FOR UPDATE
    )
    UPDATE trades SET {_changes(kinds.TRADES.table, CONTRACT)}
    FROM held JOIN {_reported(kinds.TRADES.table, ("id", *CONTRACT))} USING (id)
    WHERE trades.account_id = :account_id AND trades.bot_id = :bot_id AND trades.id = held.id
    RETURNING trades.id
    """  # noqa: S608
).bindparams(
    *(bindparam(name, type_=kinds.TRADES.table.c[name].type) for name in OF_BATCH[:2]),
    *_arrays(("id", *CONTRACT)),
)
"""Completes trades that have no P&L, and so no settle asset. They are locked in the order of their
ids, and only if they still have none: of two completions at the same time one is first.
"""
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
FUNDING = _target(
    kinds.FUNDING,
    "at",
    "amount",
    "settle",
    given=("symbol", "contract_type"),
    looked_at=("symbol",),
)
SIGNALS = _target(
    kinds.SIGNALS,
    "at",
    "name",
    "direction",
    "score",
    "acted",
    "data",
    given=("symbol", "contract_type"),
    looked_at=("symbol",),
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
