"""Pages of a list that may be filtered and sorted: a statement for each combination in use.

An order is by one value, and by id where that is equal. It has an index that begins with the
account and has the value and the id. Read backwards it is the opposite order, so that one index
serves both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from uuid import UUID

from sqlalchemy import BigInteger, BindParameter, Uuid, bindparam, text
from sqlalchemy.types import TypeEngine

from app.db.driver import Statement

_AFTER, _AFTER_ID = "after", "after_id"


@dataclass(frozen=True, slots=True)
class Sorted:
    """A value by which a list can be sorted: the row's member, its SQL type, and how it is
    compared.

    `compared` contains `{}` for the value, and is what the index has.
    """

    member: str
    sql_type: str
    compared: str = "{}"


TEXT_IGNORING_CASE = 'lower({}) COLLATE "C"'
"""How names are compared: by the code points of their lower case, whatever the server's locale."""


class SortedPlace(NamedTuple):
    """Where a page ends: the value and the id of its last row."""

    value: Any
    id: UUID


@dataclass(frozen=True, slots=True)
class Order:
    """An order by the columns of one table."""

    table: str
    by: Sorted
    descending: bool

    @classmethod
    def of(cls, table: str, sort: str, sorted_by: Mapping[str, Sorted]) -> Self:
        """Return the order that a caller names by a member, with a minus for descending."""
        return cls(table, sorted_by[sort.removeprefix("-")], sort.startswith("-"))

    @property
    def sql(self) -> str:
        """Return what stands after ORDER BY."""
        down = " DESC" if self.descending else ""
        return f"{self._value}{down}, {self.table}.id{down}"

    @property
    def following(self) -> str:
        """Return the condition for the rows after the place that the parameters name."""
        after = self.by.compared.format(f"CAST(:{_AFTER} AS {self.by.sql_type})")
        sign = "<" if self.descending else ">"
        return f"({self._value}, {self.table}.id) {sign} ({after}, :{_AFTER_ID})"

    def place(self, row: Any) -> SortedPlace:
        return SortedPlace(getattr(row, self.by.member), row.id)

    @property
    def _value(self) -> str:
        return self.by.compared.format(f"{self.table}.{self.by.member}")


class PagedList:
    """A list of the rows of one table.

    `sql` returns the statement for its arguments conditions, ORDER BY and LIMIT. `filters` has the
    condition of each filter, with a parameter of the filter's name, and that parameter's type.
    """

    def __init__(
        self,
        table: str,
        sql: Callable[[str, str, str], str],
        *,
        filters: Mapping[str, tuple[str, TypeEngine[Any]]],
    ) -> None:
        self._table = table
        self._sql = sql
        self._filters = filters
        self._compiled: dict[tuple[tuple[str, ...], Order | None, bool], Statement] = {}

    def page(
        self, wanted: Any, order: Order | None, after: SortedPlace | UUID | None
    ) -> tuple[Statement, dict[str, Any]]:
        """Return the statement of a page and its parameters, without `account` and `most`.

        A member of `wanted` that is `None` or empty filters nothing. Without an order the newest
        come first, after an id.
        """
        values = {
            name: value
            for name in self._filters
            if (value := getattr(wanted, name)) not in _NOTHING
        }
        combination = (tuple(values), order, after is not None)
        statement = self._compiled.get(combination)
        if statement is None:
            # Once for all pages: compiling takes several times as long as PostgreSQL needs to run
            # it. There are no more combinations than there are filters and orders.
            statement = self._compiled[combination] = self._statement(*combination)
        if isinstance(after, SortedPlace):
            return statement, {**values, _AFTER: after.value, _AFTER_ID: after.id}
        return statement, values if after is None else {**values, _AFTER_ID: after}

    def _statement(self, names: tuple[str, ...], order: Order | None, continued: bool) -> Statement:
        newest_first = f"{self._table}.id DESC"
        conditions = [self._filters[name][0] for name in names]
        binds: list[BindParameter[Any]] = [
            bindparam("account", type_=Uuid()),
            bindparam("most", type_=BigInteger()),
            *(bindparam(name, type_=self._filters[name][1]) for name in names),
        ]
        if continued:
            older = f"{self._table}.id < :{_AFTER_ID}"
            conditions.append(older if order is None else order.following)
            binds.append(bindparam(_AFTER_ID, type_=Uuid()))
        sql = self._sql(
            "".join(f" AND {condition}" for condition in conditions),
            newest_first if order is None else order.sql,
            "LIMIT :most",
        )
        return Statement(text(sql).bindparams(*binds))


_NOTHING = (None, "")
