"""What a statement needs to run on tables that are distributed by account (docs/testing.md).

A statement is parsed as PostgreSQL parses it. Its equalities (in WHERE, ON and USING, through
subqueries and CTEs) are followed from the `account_id` of each distributed table to a parameter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from pglast import ast as _ast
from pglast import parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, SetOperation, SubLinkType
from sqlalchemy import text

import app.db.models  # noqa: F401  # every table
from app.db.base import ACCOUNTLESS, Base
from app.db.engine import open_database

# Its types leave out that each kind of node has only some of its members.
ast: Any = _ast

DISTRIBUTED = frozenset(set(Base.metadata.tables) - ACCOUNTLESS)
_COLUMNS = {name: tuple(table.columns.keys()) for name, table in Base.metadata.tables.items()}
_ELSEWHERE = ("pg_notify", "pg_advisory", "pg_try_advisory", "nextval", "currval", "set_config")

Node = tuple[Any, ...]
Volatility = Mapping[str, str]
"""PostgreSQL's letter for each function: `v`olatile, `s`table or `i`mmutable."""


class Rule(StrEnum):
    ACCOUNT = "names no one account"
    READING = "reads several accounts without locks"
    VOLATILE = "has a volatile function in what changes rows"
    MUTABLE = "has a function that is not immutable where none may be"
    LOCK = "locks rows across accounts"
    CORRELATED = "has a correlated subquery with a reference table across accounts"
    ELSEWHERE = "has a function that would run on the node of the account"
    NESTED = "has a subquery in VALUES"


class Fault(NamedTuple):
    rule: Rule
    detail: str


async def read_volatility(url: str) -> Volatility:
    """Read how volatile functions are. Of several with one name the most volatile counts."""
    database = open_database(url, application_name="botkeys-tests", pool_size=None)
    async with database.sessions() as session:
        found = await session.execute(text("SELECT proname::text, provolatile::text FROM pg_proc"))
        rows = found.all()
    await database.close()
    letters: dict[str, str] = {}
    for name, letter in rows:
        letters[name] = max(letters.get(name, "i"), letter, key="isv".index)
    return letters


def faults_of(
    statement: str, volatility: Volatility, arguments: Sequence[Any] | None = None
) -> set[Fault]:
    """Return what would keep a statement from running. Two parameters are one account if they have
    the same value among the arguments, or if there are no arguments to compare.
    """
    found: set[Fault] = set()
    for raw in parse_sql(statement):
        if isinstance(raw.stmt, ast.SelectStmt | ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt):
            found |= _Statement(volatility, arguments).faults(raw.stmt)
    return found


@dataclass(slots=True)
class _Relation:
    """What FROM names: a table, or the columns of a subquery, a CTE or a function."""

    number: int
    table: str | None = None
    columns: dict[str, Node] = field(default_factory=dict)

    def column(self, name: str) -> Node | None:
        if self.table is not None:
            return (
                ("column", self.number, name) if name in _COLUMNS.get(self.table, (name,)) else None
            )
        return self.columns.get(name)

    def every(self) -> Iterator[tuple[str, Node]]:
        if self.table is not None:
            for name in _COLUMNS.get(self.table, ()):
                yield name, ("column", self.number, name)
        yield from self.columns.items()


@dataclass(slots=True)
class _Scope:
    """The relations of one query, and the scope around it. `correlated`: it refers to that."""

    outer: "_Scope | None"
    ctes: dict[str, list[tuple[str, Node]]]
    relations: dict[str, _Relation] = field(default_factory=dict)
    correlated: bool = False

    def tables(self) -> set[str]:
        return {each.table for each in self.relations.values() if each.table is not None}


class _Statement:
    def __init__(self, volatility: Volatility, arguments: Sequence[Any] | None) -> None:
        self._volatility = volatility
        self._arguments = arguments
        self._parents: dict[Node, Node] = {}
        self._count = 0
        self._tables: list[_Relation] = []
        self._locking: list[str] = []
        self._correlated: list[str] = []
        self._changes = False
        self._found: set[Fault] = set()

    def faults(self, statement: Any) -> set[Fault]:
        self._query(statement, None, {})
        distributed = [each for each in self._tables if each.table in DISTRIBUTED]
        loose = self._loose(distributed)
        if loose:
            reads = not self._changes and not self._locking
            rule = Rule.READING if reads else Rule.ACCOUNT
            self._found.add(Fault(rule, ", ".join(sorted(loose))))
            self._found.update(Fault(Rule.LOCK, each) for each in self._locking)
            self._found.update(Fault(Rule.CORRELATED, each) for each in self._correlated)
        if distributed:
            for name in _calls(statement):
                if name.startswith(_ELSEWHERE):
                    self._found.add(Fault(Rule.ELSEWHERE, name))
        return self._found

    def _loose(self, distributed: Iterable[_Relation]) -> set[str]:
        """Return the tables that are not bound to the one account, all if there are several."""
        named: dict[str, set[Node]] = {}
        for relation in distributed:
            own = self._root(("column", relation.number, "account_id"))
            bound = {node for node in self._given() if self._root(node) == own}
            named.setdefault(str(relation.table), set())
            named[str(relation.table)] |= bound or {("nothing", relation.number)}
        given = set().union(*named.values()) if named else set()
        if {node[0] for node in given} <= {"given"} and self._are_one(given):
            return set()
        if any(node[0] == "nothing" for node in given):
            return {name for name, nodes in named.items() if any(n[0] == "nothing" for n in nodes)}
        return set(named)

    def _are_one(self, given: set[Node]) -> bool:
        if self._arguments is None or len(given) < 2:
            return True
        values = {
            str(self._arguments[node[1] - 1]) if isinstance(node[1], int) else node
            for node in given
        }
        return len(values) == 1

    def _given(self) -> list[Node]:
        return [node for node in self._parents if node[0] == "given"]

    def _root(self, node: Node) -> Node:
        self._parents.setdefault(node, node)
        while self._parents[node] != node:
            node = self._parents[node]
        return node

    def _same(self, one: Node | None, other: Node | None) -> None:
        if one is not None and other is not None:
            self._parents[self._root(one)] = self._root(other)

    def _relation(self, table: str | None, columns: Iterable[tuple[str, Node]] = ()) -> _Relation:
        self._count += 1
        relation = _Relation(self._count, table, dict(columns))
        if table is not None:
            self._tables.append(relation)
        return relation

    def _fresh(self) -> Node:
        self._count += 1
        return ("value", self._count)

    def _query(
        self, query: Any, outer: _Scope | None, ctes: dict[str, list[tuple[str, Node]]]
    ) -> list[tuple[str, Node]]:
        """Follow a query; return its columns."""
        ctes = dict(ctes)
        if query.withClause is not None:
            for cte in query.withClause.ctes:
                if query.withClause.recursive:
                    ctes[cte.ctename] = []
                columns = self._query(cte.ctequery, outer, ctes)
                names = [name.sval for name in cte.aliascolnames or ()]
                ctes[cte.ctename] = _renamed(columns, names)
        scope = _Scope(outer, ctes)
        if isinstance(query, ast.SelectStmt):
            return self._select(query, scope)
        changing: Callable[[Any, _Scope], list[tuple[str, Node]]] = {
            ast.InsertStmt: self._insert,
            ast.UpdateStmt: self._update,
            ast.DeleteStmt: self._delete,
        }[type(query)]
        self._changes = True
        columns = changing(query, scope)
        if query.withClause is not None:
            self._no_calls("v", Rule.VOLATILE, query.withClause)
        return columns

    def _select(self, query: Any, scope: _Scope) -> list[tuple[str, Node]]:
        if query.op != SetOperation.SETOP_NONE:
            left = self._query(query.larg, scope.outer, scope.ctes)
            right = self._query(query.rarg, scope.outer, scope.ctes)
            return [
                (name, one if self._root(one) == self._root(other) else self._fresh())
                for (name, one), (_, other) in zip(left, right, strict=False)
            ]
        if query.valuesLists:
            first, *_ = query.valuesLists
            for row in query.valuesLists:
                self._conditions(row, scope)
            return [(f"column{number}", self._fresh()) for number in range(1, len(first) + 1)]
        for item in query.fromClause or ():
            self._from(item, scope)
        self._conditions(query.whereClause, scope, conjunct=True)
        for part in (query.targetList, query.groupClause, query.havingClause, query.sortClause):
            self._conditions(part, scope)
        self._conditions((query.limitOffset, query.limitCount), scope)
        if query.lockingClause:
            self._locking.append(", ".join(sorted(scope.tables())))
        return self._columns(query.targetList or (), scope)

    def _insert(self, query: Any, scope: _Scope) -> list[tuple[str, Node]]:
        target = self._relation(query.relation.relname)
        names = [each.name for each in query.cols or ()] or _COLUMNS.get(query.relation.relname, ())
        source = query.selectStmt
        if source is not None and source.valuesLists:
            for row in source.valuesLists:
                self._conditions(row, scope)
                if any(True for _ in _of(ast.SubLink, row)):
                    self._found.add(Fault(Rule.NESTED, query.relation.relname))
                for name, value in zip(names, row, strict=False):
                    self._same(target.column(name), self._value(value, scope))
        elif source is not None:
            columns = self._query(source, scope.outer, scope.ctes)
            for name, (_, node) in zip(names, columns, strict=False):
                self._same(target.column(name), node)
        scope.relations[_alias(query.relation)] = target
        conflict = query.onConflictClause
        if conflict is not None:
            scope.relations["excluded"] = self._relation(None, target.every())
            self._conditions((conflict.targetList, conflict.whereClause), scope)
            self._no_calls(
                "vs", Rule.MUTABLE, conflict.targetList, conflict.whereClause, conflict.infer
            )
        if query.relation.relname in ACCOUNTLESS:
            self._no_calls("v", Rule.VOLATILE, source)
        return self._returning(query, scope)

    def _update(self, query: Any, scope: _Scope) -> list[tuple[str, Node]]:
        self._table(query.relation, scope)
        for item in query.fromClause or ():
            self._from(item, scope)
        self._conditions(query.whereClause, scope, conjunct=True)
        self._conditions(query.targetList, scope)
        self._no_calls("v", Rule.VOLATILE, query.targetList, query.whereClause, query.fromClause)
        self._no_mutable_calls((query.targetList, query.whereClause), scope)
        return self._returning(query, scope)

    def _no_mutable_calls(self, parts: Any, scope: _Scope) -> None:
        """Note functions that are not immutable in a choice, or with a column among its values."""
        for choice in _of((ast.CaseExpr, ast.CoalesceExpr), parts):
            self._no_calls("vs", Rule.MUTABLE, choice)
        for call in _of(ast.FuncCall, parts):
            for column in _of(ast.ColumnRef, call.args):
                node = self._value(column, scope)
                if node is not None and node[0] != "given":
                    self._no_calls("vs", Rule.MUTABLE, (call,))
        # Such a sum depends on the session's time zone.
        for each in _of(ast.A_Expr, parts):
            sides = (each.lexpr, each.rexpr)
            if any(map(_is_interval, sides)) and any(
                node is not None and node[0] != "given"
                for node in (self._value(side, scope) for side in sides)
            ):
                self._found.add(Fault(Rule.MUTABLE, "a column and an interval"))

    def _delete(self, query: Any, scope: _Scope) -> list[tuple[str, Node]]:
        self._table(query.relation, scope)
        for item in query.usingClause or ():
            self._from(item, scope)
        self._conditions(query.whereClause, scope, conjunct=True)
        self._no_calls("v", Rule.VOLATILE, query.whereClause, query.usingClause)
        self._no_mutable_calls(query.whereClause, scope)
        return self._returning(query, scope)

    def _returning(self, query: Any, scope: _Scope) -> list[tuple[str, Node]]:
        if query.returningClause is None:
            return []
        targets = query.returningClause.exprs
        self._conditions(targets, scope)
        self._no_calls("vs", Rule.MUTABLE, targets)
        return self._columns(targets, scope)

    def _no_calls(self, letters: str, rule: Rule, *parts: Any) -> None:
        """Note the calls in these parts of functions that are as volatile as these letters say."""
        for name in _calls(parts):
            if self._volatility.get(name, "v") in letters:
                self._found.add(Fault(rule, name))

    def _columns(self, targets: Iterable[Any], scope: _Scope) -> list[tuple[str, Node]]:
        columns: list[tuple[str, Node]] = []
        for target in targets:
            value = target.val
            if isinstance(value, ast.ColumnRef) and isinstance(value.fields[-1], ast.A_Star):
                *qualifier, _ = value.fields
                for alias, relation in scope.relations.items():
                    if not qualifier or qualifier[0].sval == alias:
                        columns.extend(relation.every())
                continue
            name = target.name
            if name is None and isinstance(_bare(value), ast.ColumnRef):
                name = _bare(value).fields[-1].sval
            columns.append((name or "?", self._value(value, scope) or self._fresh()))
        return columns

    def _table(self, item: Any, scope: _Scope) -> None:
        name = item.relname
        if name in scope.ctes and item.schemaname is None:
            relation = self._relation(None, scope.ctes[name])
        elif name in _COLUMNS:
            relation = self._relation(name)
        else:
            relation = self._relation(None)
        scope.relations[_alias(item)] = relation

    def _from(self, item: Any, scope: _Scope) -> None:
        if isinstance(item, ast.RangeVar):
            self._table(item, scope)
        elif isinstance(item, ast.JoinExpr):
            before = set(scope.relations)
            self._from(item.larg, scope)
            left = [each for name, each in scope.relations.items() if name not in before]
            self._from(item.rarg, scope)
            right = [
                each
                for name, each in scope.relations.items()
                if name not in before and each not in left
            ]
            for name in item.usingClause or ():
                ones = [node for each in left if (node := each.column(name.sval)) is not None]
                others = [node for each in right if (node := each.column(name.sval)) is not None]
                for one in ones:
                    for other in others:
                        self._same(one, other)
            self._conditions(item.quals, scope, conjunct=True)
        elif isinstance(item, ast.RangeSubselect):
            around = scope if item.lateral else scope.outer
            columns = self._query(item.subquery, around, scope.ctes)
            names = [name.sval for name in item.alias.colnames or ()]
            scope.relations[item.alias.aliasname] = self._relation(None, _renamed(columns, names))
        elif isinstance(item, ast.RangeFunction):
            self._conditions(item.functions, scope)
            names = [name.sval for name in (item.alias.colnames if item.alias else None) or ()]
            columns = [(name, self._fresh()) for name in names]
            alias = item.alias.aliasname if item.alias else f"function {self._count}"
            scope.relations[alias] = self._relation(None, columns)

    def _conditions(self, part: Any, scope: _Scope, *, conjunct: bool = False) -> None:
        """Follow a part of a query. `conjunct`: rows for which it is false are left out."""
        if isinstance(part, ast.BoolExpr):
            conjunct = conjunct and part.boolop == BoolExprType.AND_EXPR
            for each in part.args:
                self._conditions(each, scope, conjunct=conjunct)
        elif isinstance(part, ast.SubLink):
            self._sublink(part, scope, conjunct=conjunct)
        elif isinstance(part, ast.ColumnRef):
            self._value(part, scope)
        else:
            if conjunct and isinstance(part, ast.A_Expr):
                self._equality(part, scope)
            for each in _parts(part):
                self._conditions(each, scope)

    def _equality(self, part: Any, scope: _Scope) -> None:
        if part.kind == A_Expr_Kind.AEXPR_OP and part.name[-1].sval == "=":
            for one, other in zip(_members(part.lexpr), _members(part.rexpr), strict=False):
                self._same(self._value(one, scope), self._value(other, scope))

    def _sublink(self, link: Any, scope: _Scope, *, conjunct: bool) -> None:
        self._conditions(link.testexpr, scope)
        first = len(self._tables)
        inner = _Scope(scope, scope.ctes)
        columns = self._query(link.subselect, inner, scope.ctes)
        tables = {str(each.table) for each in self._tables[first:]}
        around = scope.tables()
        # Rows that every node has would be joined with those of each node, and so found repeatedly.
        if inner.correlated and around and around <= ACCOUNTLESS and tables & DISTRIBUTED:
            self._correlated.append(", ".join(sorted(tables | around)))
        if conjunct and link.subLinkType == SubLinkType.ANY_SUBLINK and link.operName is None:
            for one, (_, other) in zip(_members(link.testexpr), columns, strict=False):
                self._same(self._value(one, scope), other)

    def _value(self, part: Any, scope: _Scope) -> Node | None:
        """Return the node of a column, a parameter or a constant."""
        part = _bare(part)
        if isinstance(part, ast.ParamRef):
            return ("given", part.number)
        if isinstance(part, ast.A_Const):
            return ("given", str(part.val))
        if isinstance(part, ast.SubLink) and part.subLinkType == SubLinkType.EXPR_SUBLINK:
            return None
        if not isinstance(part, ast.ColumnRef) or isinstance(part.fields[-1], ast.A_Star):
            return None
        *qualifier, last = (each.sval for each in part.fields)
        passed: list[_Scope] = []
        around: _Scope | None = scope
        while around is not None:
            for alias, relation in around.relations.items():
                node = relation.column(last) if not qualifier or qualifier[-1] == alias else None
                if node is not None:
                    for each in passed:
                        each.correlated = True
                    return node
            passed.append(around)
            around = around.outer
        # A variable of a function in PL/pgSQL.
        return ("given", ".".join([*qualifier, last]))


def _bare(part: Any) -> Any:
    while isinstance(part, ast.TypeCast | ast.CollateClause):
        part = part.arg
    return part


def _is_interval(part: Any) -> bool:
    if isinstance(part, ast.TypeCast):
        return bool(part.typeName.names[-1].sval == "interval")
    return isinstance(part, ast.FuncCall) and part.funcname[-1].sval == "make_interval"


def _members(part: Any) -> Sequence[Any]:
    return part.args if isinstance(part, ast.RowExpr) else (part,)


def _alias(relation: Any) -> str:
    return str(relation.alias.aliasname if relation.alias is not None else relation.relname)


def _renamed(columns: list[tuple[str, Node]], names: Sequence[str]) -> list[tuple[str, Node]]:
    named = [(name, node) for name, (_, node) in zip(names, columns, strict=False)]
    return named + columns[len(named) :]


def _parts(part: Any) -> Iterator[Any]:
    if isinstance(part, tuple | list):
        yield from part
    elif isinstance(part, ast.Node):
        for name in part:
            yield getattr(part, name)


def _of(kinds: Any, part: Any) -> Iterator[Any]:
    """Yield the nodes of these kinds in a part of a statement."""
    if isinstance(part, kinds):
        yield part
    for each in _parts(part):
        yield from _of(kinds, each)


def _calls(part: Any) -> Iterator[str]:
    """Yield the names of the functions that a part of a statement calls."""
    for call in _of(ast.FuncCall, part):
        yield call.funcname[-1].sval
    for _ in _of(ast.SQLValueFunction, part):
        yield "now"
