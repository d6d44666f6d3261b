"""The statements of pages. Pages that differ only in parameter values share one compiled statement;
compiling costs several times what PostgreSQL needs to run it.

A page costs the same at any depth: an index answers each filter in the order of the list, and the
scan begins right after the previous page's last row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Subquery,
    and_,
    bindparam,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.base import AnySelect
from app.db.driver import Statement
from app.db.models import Bot, KeyLabel
from app.domains.history.lists import NAMED, DataList
from app.domains.trading.marks import KEY_IDS, Cutoffs, Mark, beyond
from app.kit.json_codec import dumps

PLACE = 3
"""The number of columns before the document's: the position of the row."""

_ACCOUNT: Any = bindparam("account")
_ENVIRONMENT: Any = bindparam("environment")
_MOST = bindparam("most", type_=BigInteger)
_KEPT_COMPILED = 512
"""Each list and its filters need a few; only marks of parts of keys' data need more."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The structure of a page's statement. `filters` names the filters of the list, and `state` is
    one of the list's states.

    `more_symbols` is how many symbols there are besides the one of the filter `symbol`: each has an
    index scan of its own.

    Each of `parts` describes its marks: whether there is a blanket cut-off, how many marks apart
    there are, whether keys are deleted, and whether there are so many that they are passed at once.
    """

    data_list: DataList
    filters: tuple[str, ...]
    state: str | None
    placed: bool
    more_symbols: int
    parts: tuple[tuple[bool, int, bool, bool], ...]

    @property
    def order(self) -> list[str]:
        """Return the columns of the order. The index of one bot's rows does not contain the bot."""
        return [n for n in self.data_list.order if n != "bot_id" or "bot_id" not in self.filters]


@lru_cache(_KEPT_COMPILED)
def compiled(shape: Shape) -> Statement:
    return Statement(statement(shape))


def statement(shape: Shape) -> AnySelect:
    """Return the statement of one page: the position of each row, followed by the list's fields."""
    data_list = shape.data_list
    parts = [
        _rows(shape, number, symbol).limit(_MOST)
        for number in range(len(shape.parts))
        for symbol in ("symbol", *(f"symbol_{more + 1}" for more in range(shape.more_symbols)))
    ]
    page = parts[0].subquery("page") if len(parts) == 1 else union_all(*parts).subquery("page")
    bots, labels = Bot.__table__, KeyLabel.__table__
    named = dict(zip(NAMED, (bots.c.name, labels.c.label), strict=True))
    fields = (named[name] if name in named else page.c[name] for name in data_list.fields)
    place: list[ColumnElement[Any]] = [*(page.c[name] for name in data_list.order), literal("")]
    return (
        select(*(column.label(None) for column in (*place[:PLACE], *fields)))
        .select_from(_with_names(page))
        .order_by(*(page.c[name].desc() for name in shape.order))
        .limit(_MOST)
    )


def _with_names(page: Subquery) -> Any:
    bots, labels = Bot.__table__, KeyLabel.__table__
    return page.outerjoin(
        bots, and_(bots.c.account_id == _ACCOUNT, bots.c.id == page.c.bot_id)
    ).outerjoin(labels, and_(labels.c.account_id == _ACCOUNT, labels.c.key_id == page.c.key_id))


def _rows(shape: Shape, number: int, symbol: str) -> AnySelect:
    """Return the rows of the environment, or for the second part the rows without one. `symbol` is
    the parameter that a filter by symbol has.
    """
    data_list = shape.data_list
    table = data_list.table.c
    order = [data_list.columns[name] for name in shape.order]
    # PostgreSQL does not infer that rows without an environment are ordered by the rest alone.
    first = [table.environment] if number else []
    of_part = table.environment.is_(None) if number else table.environment == _ENVIRONMENT
    return (
        select(*(column.label(name) for name, column in data_list.columns.items()))
        .where(
            table.account_id == _ACCOUNT,
            of_part,
            *_filters(shape, symbol),
            *_undeleted(shape, number),
            *_after(shape, order),
        )
        .order_by(*first, *(column.desc() for column in order))
    )


def _filters(shape: Shape, symbol: str) -> Iterable[ColumnElement[bool]]:
    if shape.state is not None:
        yield shape.data_list.states[shape.state]
    time = shape.data_list.columns[shape.data_list.order[0]]
    for name in shape.filters:
        if name == "since":
            yield time >= bindparam(name)
        elif name == "until":
            yield time < bindparam(name)
        else:
            yield shape.data_list.table.c[name] == bindparam(symbol if name == "symbol" else name)


def _undeleted(shape: Shape, number: int) -> list[ColumnElement[bool]]:
    data_list = shape.data_list
    left = beyond(_parameters_of(shape, number), data_list.table, data_list.happened, None)
    if left and data_list.kept is not None:
        return [or_(data_list.kept, and_(*left))]
    return left


def values_of(part: Cutoffs, number: int) -> dict[str, Any]:
    """Return the values of the parameters that a part has for its marks."""
    values = {f"blanket_{number}": part.blanket, f"deleted_keys_{number}": part.deleted_keys}
    if part.many is not None:
        values[f"many_{number}"] = dumps(part.many).decode()
    for index, mark in enumerate(part.apart):
        values[f"key_{number}_{index}"] = mark.key_id
        values[f"cutoff_{number}_{index}"] = mark.cutoff
    return values


def _parameters_of(shape: Shape, number: int) -> Cutoffs:
    """Return the parameters in place of the values. In a part, each mark apart belongs to a key."""
    blanket, apart, deleted, many = shape.parts[number]
    of_keys: list[tuple[Any, Any]] = [
        (bindparam(f"key_{number}_{index}"), bindparam(f"cutoff_{number}_{index}"))
        for index in range(apart)
    ]
    return Cutoffs(
        bindparam(f"blanket_{number}") if blanket else None,
        [Mark(None, key_id, cutoff) for key_id, cutoff in of_keys],
        bindparam(f"deleted_keys_{number}", type_=KEY_IDS) if deleted else None,
        bindparam(f"many_{number}", type_=JSONB()) if many else None,
    )


def _after(shape: Shape, order: list[ColumnElement[Any]]) -> Iterable[ColumnElement[bool]]:
    if shape.placed:
        names = zip(shape.order, order, strict=True)
        place = [bindparam(f"after_{name}", type_=column.type) for name, column in names]
        yield tuple_(*order) < tuple_(*place)
