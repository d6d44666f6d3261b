"""What the query of a user's request may say: the parameters that its route takes, each once."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant

from app.errors import InvalidRequest


class QueryNames:
    """Of all query parameters that an endpoint, or something that it depends on, reads."""

    def __init__(self, dependant: Dependant) -> None:
        self._names = frozenset(_names(dependant))

    def check(self, request: Request) -> None:
        """A parameter that nobody reads is a typing error, or a wish that would be passed over in
        silence; of one that is given twice, one wish would be. Raises `InvalidRequest`, which does
        not repeat what the route does not know: someone may have put a secret there.
        """
        if not request.scope["query_string"]:
            return
        given = Counter(name for name, _ in request.query_params.multi_items())
        faults = [
            _fault(name, "repeated", "Send this query parameter only once")
            for name in sorted(given.keys() & self._names)
            if given[name] > 1
        ]
        if given.keys() - self._names:
            known = ", ".join(f"`{name}`" for name in sorted(self._names))
            there = f"this route takes {known}" if known else "this route takes none"
            told = f"No such query parameter: {there}"
            faults.append(_fault("[member]", "extra_forbidden", told))
        if faults:
            raise InvalidRequest(faults)


def _fault(name: str, kind: str, message: str) -> dict[str, Any]:
    return {"loc": ["query", name], "type": kind, "msg": message}


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.validation_alias or field.alias
    for need in dependant.dependencies:
        yield from _names(need)
