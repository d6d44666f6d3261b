"""The lists of trading data: what each shows, its order, and the time that deletions compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, cast, func, literal_column

from app.db.clock import NOW
from app.db.models.trading import NOBODY
from app.domains.positions.rows import PositionRow
from app.domains.positions.schemas import Position as PositionDocument
from app.domains.positions.serializers import position_document
from app.domains.trading import fees, kinds
from app.domains.trading.kinds import DataKind, held_in

NAMED = ("bot_name", "key_label")
"""The columns that are joined to each row: the names of its bot and its key."""

_HEAD = ("id", "bot_id", "bot_name", "key_id", "key_label")
_KEPT = ("exchange", "environment", "contract_type")
Row = Sequence[Any]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataList:
    """A list of one table.

    `states` maps the words that the list can be narrowed to onto conditions.
    """

    kind: DataKind
    columns: dict[str, ColumnElement[Any]]
    order: tuple[str, ...]
    fields: tuple[str, ...]
    members: tuple[str, ...]
    document: Callable[[Row], Document]
    states: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The list's name in its address and in file names."""
        return self.kind.name.replace("_", "-")

    @property
    def table(self) -> Table:
        return self.kind.table

    @property
    def happened(self) -> ColumnElement[Any]:
        """The time of a row that the cut-off of a deletion is compared with."""
        return self.kind.time(self.table)

    @property
    def kept(self) -> ColumnElement[bool] | None:
        """The condition of rows that no deletion covers."""
        return held_in(self.table) if self.kind.keeps_held else None

    @property
    def of_both(self) -> bool:
        """Whether rows may lack an environment: such rows are listed in both."""
        return not self.kind.names_all


def _documents(members: Sequence[str]) -> Callable[[Row], Document]:
    def document(row: Row) -> Document:
        row_id, bot_id, bot_name, key_id, key_label, *rest = row
        return {
            "id": row_id,
            "bot": None if bot_id in (None, NOBODY) else {"id": bot_id, "name": bot_name},
            "key": None if key_id is None else {"id": key_id, "label": key_label},
            **dict(zip(members, rest, strict=True)),
        }

    return document


def _data_list(kind: DataKind, *members: str) -> DataList:
    shown = (*_KEPT, *members)
    return DataList(
        kind=kind,
        columns={column: kind.table.c[column] for column in ("id", "bot_id", "key_id", *shown)},
        order=(kind.order, "bot_id", "id"),
        fields=(*_HEAD, *shown),
        members=shown,
        document=_documents(shown),
    )


def _with_fees(document: Callable[[Row], Document]) -> Callable[[Row], Document]:
    def with_fees(row: Row) -> Document:
        made = document(row)
        made["other_fees"] = fees.listed(made["other_fees"])
        return made

    return with_fees


_TRADES = _data_list(
    kinds.TRADES,
    "symbol",
    "side",
    "quantity",
    "entry_price",
    "exit_price",
    "fees",
    "pnl",
    "settle",
    "contract_size",
    "leverage",
    "margin_mode",
    "position_id",
    "exit_reason",
    "opened_at",
    "closed_at",
    "stored_at",
    "import_id",
    "other_fees",
)
TRADES = replace(_TRADES, document=_with_fees(_TRADES.document))
FUNDING = _data_list(kinds.FUNDING, "at", "symbol", "amount", "settle", "stored_at", "import_id")
EQUITY_SNAPSHOTS = _data_list(
    kinds.EQUITY_SNAPSHOTS,
    "at",
    "equity",
    "balance",
    "unrealised_pnl",
    "settle",
    "reset",
    "stored_at",
)
SIGNALS = _data_list(
    kinds.SIGNALS,
    "at",
    "symbol",
    "name",
    "direction",
    "score",
    "acted",
    "data",
    "stored_at",
)

_EVENTS = kinds.BOT_EVENTS.table
_EVENT = ("exchange", "environment", "contract_type", "at", "kind", "level", "message", "data")
BOT_EVENTS = DataList(
    kind=kinds.BOT_EVENTS,
    columns={
        # The service's own events have no id that a bot chose.
        "id": func.coalesce(_EVENTS.c.reported_id, cast(_EVENTS.c.id, Text)),
        "row_id": _EVENTS.c.id,
        **{name: _EVENTS.c[name] for name in ("bot_id", "key_id", *_EVENT)},
    },
    order=("at", "row_id"),
    fields=(*_HEAD, *_EVENT),
    members=_EVENT,
    document=_documents(_EVENT),
)

_POSITIONS = kinds.POSITIONS.table
POSITIONS = DataList(
    kind=kinds.POSITIONS,
    columns={
        name: _POSITIONS.c[name] for name in PositionRow._fields if name not in {*NAMED, "lapsed"}
    }
    | {"lapsed": func.coalesce(_POSITIONS.c.expires_at <= NOW, False)},
    order=("created_at", "bot_id", "id"),
    fields=PositionRow._fields,
    members=tuple(
        name for name in PositionDocument.model_fields if name not in {"id", "bot", "key"}
    ),
    document=lambda row: position_document(PositionRow._make(row)),
    # Spelled out, so that PostgreSQL uses the indexes of held positions for the first two.
    states={
        "opening": literal_column("status = 'opening' AND expires_at > statement_timestamp()"),
        "open": literal_column("status = 'open'"),
        "closed": literal_column(
            "(status = 'closed' OR status = 'opening' AND expires_at <= statement_timestamp())"
        ),
    },
)
LISTS = (TRADES, FUNDING, EQUITY_SNAPSHOTS, SIGNALS, BOT_EVENTS, POSITIONS)
