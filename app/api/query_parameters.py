"""Checks that a user's query contains only parameters of its route, each at most once."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant

from app.api.known_names import no_such, resembling
from app.errors import MOST_FAULTS, InvalidRequest

MAX_QUERY_BYTES = 8 * 1024
MAX_PARAMETERS = 50


def check_query_size(query: bytes) -> None:
    """Reject a query that is not worth parsing: no route takes as much; raise `InvalidRequest`."""
    if len(query) > MAX_QUERY_BYTES or query.count(b"&") >= MAX_PARAMETERS:
        message = f"must have at most {MAX_PARAMETERS} parameters and {MAX_QUERY_BYTES} bytes"
        raise InvalidRequest([{"loc": ["query"], "type": "query_too_large", "msg": message}])


class QueryNames:
    """The names of all query parameters that an endpoint or its dependencies read."""

    def __init__(self, dependant: Dependant) -> None:
        self._names = frozenset(_names(dependant))

    def check(self, request: Request) -> None:
        """Reject unknown and repeated parameters; raise `InvalidRequest`.

        An unknown one is a typing error, or would be ignored silently, as would one of two values.
        The error does not repeat unknown names, which may contain a secret.
        """
        given = Counter(name for name, _ in request.query_params.multi_items())
        faults = [
            _fault(name, "repeated", "Send this query parameter only once")
            for name in sorted(given.keys() & self._names)
            if given[name] > 1
        ]
        unknown = sorted(given.keys() - self._names)
        for name in unknown[:MOST_FAULTS]:
            message = no_such("query parameter", resembling(name, self._names), self._names)
            faults.append({"loc": ["query"], "type": "extra_forbidden", "msg": message})
        if faults:
            raise InvalidRequest(faults, unlisted=max(0, len(unknown) - MOST_FAULTS))


def _fault(name: str, kind: str, message: str) -> dict[str, Any]:
    return {"loc": ["query", name], "type": kind, "msg": message}


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.validation_alias or field.alias
    for need in dependant.dependencies:
        yield from _names(need)
