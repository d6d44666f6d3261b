"""Where the items of a batch go, and the one statement that takes them there."""

from typing import Any, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, Text, TextClause, bindparam, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from app.db.base import Base
from app.db.models import BotEvent, EquitySnapshot, Signal, Trade

OF_BATCH = ("account_id", "bot_id", "key_id", "exchange", "environment")
"""What all rows of a batch have in common."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Target(NamedTuple):
    """`columns` is the order in which the statement takes their values, each an array for the
    whole batch; the first is that of the bot's own id. `time` is when a row happened.
    """

    model: type[Base]
    columns: tuple[str, ...]
    time: str
    statement: TextClause

    def column(self, name: str) -> ColumnElement[Any]:
        return self.model.__table__.c[name]


def _target(model: type[Base], time: str, *columns: str) -> Target:
    table = model.__table__
    parameters = [bindparam(name, type_=table.c[name].type) for name in OF_BATCH]
    arrays, values = [], []
    for name in columns:
        # Of JSON it is the text that comes.
        is_json = isinstance(table.c[name].type, JSONB)
        kind = Text() if is_json else table.c[name].type
        parameters.append(bindparam(name, type_=ARRAY(kind)))
        arrays.append(f"CAST(:{name} AS {kind.compile(dialect=_DIALECT)}[])")
        values.append(f"CAST({name} AS jsonb)" if is_json else name)
    statement = text(
        f"""
        INSERT INTO {table.description} ({", ".join((*OF_BATCH, *columns))})
        SELECT {", ".join(f":{name}" for name in OF_BATCH)}, {", ".join(values)}
        FROM unnest({", ".join(arrays)}) AS reported ({", ".join(columns)})
        ON CONFLICT (account_id, bot_id, {columns[0]}) DO NOTHING
        RETURNING {columns[0]}
        """  # noqa: S608  # names of our own
    )
    return Target(model, columns, time, statement.bindparams(*parameters))


TRADES = _target(
    Trade,
    "closed_at",
    *("id", "contract_type", "symbol", "side", "quantity", "entry_price", "exit_price", "fees"),
    *("leverage", "margin_mode", "position_id", "opened_at", "closed_at", "exit_reason"),
    *("contract_size", "settle", "pnl"),
)
EQUITY_SNAPSHOTS = _target(
    EquitySnapshot,
    "at",
    *("id", "contract_type", "at", "equity", "balance", "unrealised_pnl", "settle", "reset"),
)
SIGNALS = _target(
    Signal,
    "at",
    *("id", "contract_type", "at", "symbol", "name", "direction", "score", "acted", "data"),
)
EVENTS = _target(
    BotEvent,
    "at",
    *("reported_id", "contract_type", "id", "at", "kind", "level", "message", "data"),
)
