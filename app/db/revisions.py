"""Which states of an object a change was made for."""

from app.errors import PreconditionFailed

Revisions = frozenset[int]
"""One of these; none that there is, where it is empty."""


def require(revision: int, expected: Revisions | None) -> None:
    """Raises `PreconditionFailed` unless it is among those expected; `None` where any will do."""
    if expected is not None and revision not in expected:
        raise PreconditionFailed
