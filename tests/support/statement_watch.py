"""Holds every statement sent in a test's process to what distributed tables permit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from tests.support.sent_statements import Placed, Sent, note
from tests.support.statement_lists import unlisted
from tests.support.statement_rules import Fault, Volatility, faults_of


class StatementWatch:
    """The watch of a process. `volatility` is known once a server runs."""

    def __init__(self) -> None:
        self.volatility: Volatility | None = None
        self._new: Placed = {}
        self._seen: set[Sent] = set()

    @contextmanager
    def running(self) -> Iterator[None]:
        # Not before a statement: a listener there sends hot ones another way (`app.db.driver`).
        event.listen(Engine, "after_cursor_execute", self._note)
        try:
            yield
        finally:
            event.remove(Engine, "after_cursor_execute", self._note)

    def _note(
        self, _connection: object, _cursor: object, statement: str, values: Any, *_: object
    ) -> None:
        note(self._new, statement, values, of_tests=True)

    def add(self, sent: Placed) -> None:
        """Add statements that went past SQLAlchemy."""
        self._new.update(sent)

    def faults(self) -> list[tuple[str, str, str]]:
        """Return what is wrong with the statements that were not sent before."""
        if self.volatility is None:
            return []
        new = {sent: values for sent, values in self._new.items() if sent not in self._seen}
        self._seen.update(new)
        self._new.clear()
        found: dict[str, set[Fault]] = {}
        for sent, values in new.items():
            found.setdefault(sent.place, set()).update(
                faults_of(sent.text, self.volatility, values)
            )
        return unlisted(found)
