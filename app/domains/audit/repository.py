"""Reads the audit log. Every statement names the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, literal_column, or_, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow
from app.db.models import AuditEvent
from app.db.models.audit import DETAILS_INDEXED

Place: TypeAlias = tuple[datetime, int]
"""The position of an entry among others that a filter lets through, newest first."""

Condition: TypeAlias = ColumnElement[bool]
Columns: TypeAlias = Sequence[ColumnElement[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What entries must have in common. `None` and an empty tuple let every entry through.

    `until` is exclusive. An entry concerns a key or a bot if that is its target, its actor, or
    named in its details.
    """

    actions: tuple[str, ...] = ()
    key_id: UUID | None = None
    bot_id: UUID | None = None
    actor_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditRepository:
    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._of_account = AuditEvent.account_id == account_id

    async def page(self, before: int | None, limit: int) -> list[AnyRow]:
        """Return up to `limit` entries older than the sequence number `before`, newest first."""
        query = (
            select(*_COLUMNS)
            .where(self._of_account)
            .order_by(AuditEvent.sequence.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(AuditEvent.sequence < before)
        return list((await self._session.execute(query)).all())

    async def filtered_page(
        self, wanted: AuditFilter, before: Place | None, limit: int
    ) -> list[AnyRow]:
        """Return up to `limit` entries that the filter lets through, newest first."""
        query = filtered(self._of_account, wanted, before, limit)
        return list((await self._session.execute(query)).all())


def filtered(
    of_account: Condition, wanted: AuditFilter, before: Place | None, limit: int
) -> Select[Any]:
    """Return the statement of a page of a filtered list.

    Each index ends with the order, so each part is read from its beginning and no further than to
    its limit; several parts, for several values of one filter, are merged.
    """
    narrowed, further = _parts(wanted)
    if wanted.since is not None:
        further = (*further, AuditEvent.at >= wanted.since)
    if wanted.until is not None:
        further = (*further, AuditEvent.at < wanted.until)
    if before is not None:
        further = (*further, tuple_(AuditEvent.at, AuditEvent.sequence) < before)
    parts = [_newest((of_account, *part, *further), limit) for part in narrowed]
    if len(parts) == 1:
        return parts[0]
    merged = union_all(*parts).subquery()
    return select(merged).order_by(merged.c.at.desc(), merged.c.sequence.desc()).limit(limit)


def _newest(conditions: tuple[Condition, ...], limit: int) -> Select[Any]:
    return (
        select(*_COLUMNS)
        .where(*conditions)
        .order_by(AuditEvent.at.desc(), AuditEvent.sequence.desc())
        .limit(limit)
    )


_COLUMNS = [
    column
    for column in AuditEvent.__table__.columns
    if column.name not in {"account_id", "mac", "format"}
]
# Spelled out, since an index of an expression does not serve one with a parameter inside.
_KEY, _FORMER_KEY, _BOT = (
    literal_column(f"audit_events.details ->> '{name}'", Text()) for name in DETAILS_INDEXED
)
_TARGET, _ACTOR, _SEQUENCE = (
    AuditEvent.__table__.c[name] for name in ("target_id", "actor_id", "sequence")
)
# What the index by time alone is for: see the model.
_ANY = literal_column("0") < _SEQUENCE
_OF_KEY: Columns = (_TARGET, _KEY, _FORMER_KEY)
_OF_BOT: Columns = (_TARGET, _ACTOR, _BOT)


def _parts(wanted: AuditFilter) -> tuple[list[tuple[Condition, ...]], tuple[Condition, ...]]:
    """Return the parts of the list that have no entry in common, and what all entries must meet.

    The filter that the fewest entries meet makes the parts, as far as that can be known.
    """
    parts: list[tuple[Condition, ...]] = [(_ANY,)]
    further: list[Condition] = []
    if wanted.actions:
        parts = [(AuditEvent.action == action,) for action in wanted.actions]
        further.append(AuditEvent.action.in_(wanted.actions))
    if wanted.actor_id is not None:
        parts = [(AuditEvent.actor_id == wanted.actor_id,)]
        further.append(*parts[0])
    if wanted.bot_id is not None:
        parts = _apart(_OF_BOT, str(wanted.bot_id))
        further.append(or_(*(column == str(wanted.bot_id) for column in _OF_BOT)))
    if wanted.key_id is not None:
        return _apart(_OF_KEY, str(wanted.key_id)), tuple(further)
    return parts, tuple(further[:-1])


def _apart(columns: Columns, value: str) -> list[tuple[Condition, ...]]:
    """Return a part for each column that has the value while none before it has."""
    return [
        (column == value, *(other.is_distinct_from(value) for other in columns[:number]))
        for number, column in enumerate(columns)
    ]
