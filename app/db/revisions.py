"""The revisions of an object that a conditional change may apply to."""

from app.errors import PreconditionFailed

Revisions = frozenset[int]
"""Acceptable revisions; an empty set matches no existing object."""


def require(revision: int, expected: Revisions | None) -> None:
    """Raise `PreconditionFailed` unless the revision is expected; `None` accepts any."""
    if expected is not None and revision not in expected:
        raise PreconditionFailed
