"""Which functions of the service send statements, and which of its modules hold one."""

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeAlias

import greenlet  # type: ignore[import-untyped]  # it has none
from sqlalchemy import Executable, Select

import app
from app.db.driver import Statement

ROOT = Path(app.__file__).parent
_BELOW = ("app.db.driver", "app.db.transactions", "app.db.outcome")
"""Modules that send what others hand to them."""

TESTS = "tests."
"""How the names of tests' modules begin."""

_BEFORE = ("app.db.migrate",)
"""Modules whose statements run on tables that are not distributed yet."""

_BEGINNING = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE)\b")
"""How a statement begins; other texts and functions are parts of statements."""

_THROUGH_SQLALCHEMY = frozenset({"execute", "scalar", "scalars", "stream", "stream_scalars"})


class Sent(NamedTuple):
    """A statement, and the function that sends it or the name by which a module holds it."""

    place: str
    text: str


Placed: TypeAlias = dict[Sent, Sequence[Any]]
"""Statements with the arguments that each was first sent with."""


def sender() -> str | None:
    """Return the function of the service, or of a test, that is sending a statement through
    SQLAlchemy; `None` if a migration does.
    """
    current: Any = greenlet.getcurrent()
    # Without `note` and what listens.
    frame: FrameType | None = sys._getframe(3)
    while current is not None:
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if module in _BEFORE:
                return None
            if module.startswith(("app.", TESTS)) and module not in _BELOW:
                return f"{module}:{frame.f_code.co_qualname.replace('.<locals>', '')}"
            frame = frame.f_back
        current = current.parent
        frame = None if current is None else current.gr_frame
    return None


def note(placed: Placed, statement: str, values: Any, *, of_tests: bool = False) -> None:
    """Note what the caller has heard of, if the service sends it, or a test with `of_tests`."""
    place = sender()
    if place is not None and (of_tests or not place.startswith(TESTS)):
        arguments = values[0] if values and isinstance(values, list) else values
        placed.setdefault(Sent(place, statement), tuple(arguments))


@cache
def held() -> Mapping[str, str]:
    """Return the names of the hot statements that modules hold, by their texts."""
    return {each.text: name for name, each in _members() if isinstance(each, Statement)}


def every_held() -> Iterator[Sent]:
    """Yield the statements that modules hold, whether they are hot or not, as they are sent."""
    for name, each in _members():
        # What is selected by itself may be the beginning of a statement, and is checked as sent.
        if isinstance(each, Select):
            continue
        statement = each if isinstance(each, Statement) else Statement(each)
        if _BEGINNING.match(statement.text):
            yield Sent(name, statement.text)


def _members() -> Iterator[tuple[str, Any]]:
    for found in pkgutil.walk_packages([str(ROOT)], "app."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        source = Path(str(module.__file__)).read_text()
        for name in re.findall(r"^(?:class )?(\w+)(?=(?:: .+)? = |[:(])", source, re.MULTILINE):
            yield from _within(f"{found.name}:{name}", vars(module).get(name), found.name)


def _within(name: str, value: Any, module: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Statement | Executable):
        yield name, value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _within(name, each, module)
    elif isinstance(value, Sequence | frozenset) and not isinstance(value, str | bytes):
        for each in value:
            yield from _within(name, each, module)
    elif isinstance(value, type) and value.__module__ == module:
        for own, each in vars(value).items():
            if isinstance(each, Statement | Executable):
                yield f"{name}.{own}", each


def every_sender() -> set[str]:
    """Return the functions of the service that send statements through SQLAlchemy."""
    found: set[str] = set()
    for path in ROOT.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        if module not in _BELOW + _BEFORE:
            found.update(_senders(module, ast.parse(path.read_text()), ()))
    return found


def _senders(module: str, node: ast.AST, inside: tuple[str, ...]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.Call)
            and isinstance(child.func, ast.Attribute)
            and child.func.attr in _THROUGH_SQLALCHEMY
            and any(word in ast.unparse(child.func) for word in ("session", "connection"))
        ):
            yield f"{module}:{'.'.join(inside)}"
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _senders(module, child, (*inside, child.name))
        else:
            yield from _senders(module, child, inside)
