"""The record of which master key each version is, and of which runtime process holds which.

Only the role `runtime` writes here, and only what it holds the private half of: the database
refuses everyone else. The role `api` seals to nothing that is not in this record, so no file in its
folder, whatever its name, decides by itself where secrets go.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.clock import NOW
from app.db.models import KeyCredential, MasterKeyHolder, MasterKeyVersion

LEASE = timedelta(seconds=30)
"""How long a process counts as running after it was last seen, unless it leaves by itself."""

_FORGOTTEN = timedelta(hours=1)

Fingerprints = Mapping[int, str]
"""Fingerprints of public keys by version."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A runtime process that is running, and the versions whose private half it holds."""

    process: str
    versions: frozenset[int]


def process_name() -> str:
    """Return the name by which people find this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def register(session: AsyncSession, held: Fingerprints) -> list[int]:
    """Record the versions that nobody has recorded; return those recorded for another key.

    `held` must be keys whose private half this process holds. Of two processes that bring two keys
    for one version at the same time, the primary key lets one win.
    """
    if not held:
        return []
    rows = [
        {"version": version, "fingerprint": fingerprint} for version, fingerprint in held.items()
    ]
    await session.execute(insert(MasterKeyVersion).values(rows).on_conflict_do_nothing())
    return await strangers(session, held)


async def strangers(session: AsyncSession, held: Fingerprints) -> list[int]:
    """Return the versions that are recorded for another key than the one held, in order."""
    recorded = await registered(session)
    return sorted(version for version, key in held.items() if recorded.get(version, key) != key)


async def registered(session: AsyncSession) -> dict[int, str]:
    """Return the fingerprint of every version that a runtime process has recorded."""
    rows = await session.execute(select(MasterKeyVersion.version, MasterKeyVersion.fingerprint))
    return {row.version: row.fingerprint for row in rows}


async def running_holders(session: AsyncSession) -> list[Holder]:
    """Return the runtime processes that run now, by name."""
    rows = await session.execute(
        select(MasterKeyHolder.process, MasterKeyHolder.versions)
        .where(_is_running())
        .order_by(MasterKeyHolder.process)
    )
    return [Holder(row.process, frozenset(row.versions)) for row in rows]


async def announce(session: AsyncSession, holder_id: UUID, versions: Iterable[int]) -> None:
    """Say that this process runs and holds these versions; forget processes that are long gone."""
    mine = {"process": process_name(), "versions": sorted(versions), "seen_at": NOW}
    new = insert(MasterKeyHolder).values(id=holder_id, **mine)
    await session.execute(
        new.on_conflict_do_update(
            index_elements=[MasterKeyHolder.id], set_={name: new.excluded[name] for name in mine}
        )
    )
    await session.execute(delete(MasterKeyHolder).where(MasterKeyHolder.seen_at < NOW - _FORGOTTEN))


async def leave(session: AsyncSession, holder_id: UUID) -> None:
    await session.execute(delete(MasterKeyHolder).where(MasterKeyHolder.id == holder_id))


async def version_to_seal_to(session: AsyncSession, public: Fingerprints) -> int | None:
    """Return which of these public keys to seal to, `None` if none can be opened by runtime.

    It is the newest that is recorded with this fingerprint and that every running runtime process
    holds. So the halves of a new pair may be copied in any order: until the last process has the
    private half, the previous key stays in use.
    """
    recorded = await registered(session)
    usable = {version for version, key in public.items() if recorded.get(version) == key}
    everywhere = set(usable)
    for holder in await running_holders(session):
        everywhere &= holder.versions
    return max(everywhere or usable, default=None)


async def missing(session: AsyncSession, held: Iterable[int]) -> list[int]:
    """Return the versions that stored data keys are sealed to and that are not held, in order."""
    return sorted(set(await versions_in_use(session)) - set(held))


async def versions_in_use(session: AsyncSession) -> list[int]:
    """Return the versions that stored data keys are sealed to, in order.

    Each step looks up the next version in an index, so no row is read twice and few are read. It is
    a statement of its own: distributed PostgreSQL recurses within one account only.
    """
    lowest = select(func.min(KeyCredential.master_key_version))
    found: list[int] = []
    version = await session.scalar(lowest)
    while version is not None:
        found.append(version)
        version = await session.scalar(lowest.where(KeyCredential.master_key_version > version))
    return found


def _is_running() -> ColumnElement[bool]:
    return MasterKeyHolder.seen_at > NOW - LEASE
