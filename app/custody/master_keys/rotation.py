"""Rotation of the master key: data keys are resealed online, in batches."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.keyfiles import KeyFolder
from app.custody.release import Releaser
from app.db.engine import Database, open_database
from app.db.models import Key, KeyCredential
from app.settings import Settings, SettingsError
from botkeys.sealing.binding import Binding
from botkeys.sealing.errors import CannotOpen

BATCH = 200
ADVISORY_LOCK = 0x626F746B6D6B
"""Held while deciding whether to make a new master key ("botkmk" in ASCII)."""

_PAUSE_SECONDS = 0.05
Report = Callable[[str], None]
Place = tuple[UUID, UUID, int]


class RotationIncomplete(Exception):
    """Some data keys cannot be opened and stay unchanged."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} data keys cannot be opened with the master key that they name: they were "
            "altered, or sealed elsewhere. They are unchanged; keep that master key."
        )


@dataclass(slots=True)
class Batch:
    """The result of one transaction; `last` is where the next batch begins, None at the end."""

    resealed: int = 0
    shut: int = 0
    last: Place | None = None


async def counts_by_version(session: AsyncSession) -> dict[int, int]:
    """Return the number of data keys sealed to each version of the master key."""
    rows = await session.execute(
        select(KeyCredential.master_key_version, func.count())
        .group_by(KeyCredential.master_key_version)
        .order_by(KeyCredential.master_key_version)
    )
    return {row[0]: row[1] for row in rows}


def _older(newest: int, after: Place | None) -> Select[UUID, UUID, int, bytes, int, str, str]:
    identity = (KeyCredential.account_id, KeyCredential.key_id, KeyCredential.version)
    rows = (
        select(
            *identity,
            KeyCredential.sealed_data_key,
            KeyCredential.master_key_version,
            Key.exchange,
            Key.environment,
        )
        .join(
            Key,
            (Key.account_id == KeyCredential.account_id) & (Key.id == KeyCredential.key_id),
        )
        .where(KeyCredential.master_key_version < newest)
        .order_by(*identity)
        .limit(BATCH)
        .with_for_update(of=KeyCredential, skip_locked=True)
    )
    return rows if after is None else rows.where(tuple_(*identity) > after)


async def reseal_batch(
    session: AsyncSession, releaser: Releaser, newest: int, after: Place | None
) -> Batch:
    """Seal up to `BATCH` data keys to the newest master key.

    Rows that another run has locked are left to it. A row changes only together with its version,
    so a run that is killed leaves each row under one key or the other.
    """
    batch = Batch()
    rows = (await session.execute(_older(newest, after))).all()
    for row in rows:
        binding = Binding(row.account_id, row.key_id, row.version, row.exchange, row.environment)
        try:
            sealed, version = releaser.reseal(row.sealed_data_key, row.master_key_version, binding)
        except CannotOpen:
            batch.shut += 1
            continue
        await session.execute(
            update(KeyCredential)
            .where(
                KeyCredential.account_id == row.account_id,
                KeyCredential.key_id == row.key_id,
                KeyCredential.version == row.version,
            )
            .values(sealed_data_key=sealed, master_key_version=version)
        )
        batch.resealed += 1
    if len(rows) == BATCH:
        batch.last = (rows[-1].account_id, rows[-1].key_id, rows[-1].version)
    return batch


def _open(settings: Settings) -> Database:
    url = settings.direct_database_url or settings.database_url
    if url is None:
        raise SettingsError("BOTKEYS_DATABASE_URL is not set, but this command needs a database.")
    return open_database(
        url.get_secret_value(), application_name="botkeys-master-key", pool_size=None
    )


async def rotate_master_key(settings: Settings, report: Report) -> None:
    """Make a newer master key unless one is already pending, then seal everything to it.

    One is pending while some data keys are not yet sealed to it: the next run finishes what a
    killed run began. Concurrent runs share the work. Raises `RotationIncomplete`.
    """
    folder = KeyFolder(settings.keys_folder)
    database = _open(settings)
    try:
        newest = await _newest(database, folder, report)
        shut = await _reseal_all(
            database, Releaser(folder.load_private_master_keys()), newest, report
        )
        await _report_versions(database, report)
    finally:
        await database.close()
    if shut:
        raise RotationIncomplete(shut)


async def _newest(database: Database, folder: KeyFolder, report: Report) -> int:
    """Return the version to seal to."""
    async with database.sessions.begin() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        used = await counts_by_version(session)
        newest = max(folder.load_private_master_keys(), default=0)
        if newest == 0 or set(used) == {newest}:
            newest = folder.create_master_key()
            report(f"Created master key {newest}.")
    return newest


async def _reseal_all(database: Database, releaser: Releaser, newest: int, report: Report) -> int:
    """Seal all data keys to `newest`; return the number of data keys that cannot be opened."""
    total = 0
    while True:
        shut, after = 0, None
        while True:
            async with database.sessions.begin() as session:
                batch = await reseal_batch(session, releaser, newest, after)
            total += batch.resealed
            shut += batch.shut
            if batch.resealed:
                report(f"{total} data keys sealed to master key {newest}.")
            if batch.last is None:
                break
            after = batch.last
        async with database.sessions() as session:
            used = await counts_by_version(session)
        if sum(count for version, count in used.items() if version < newest) <= shut:
            return shut
        await asyncio.sleep(_PAUSE_SECONDS)  # another run holds locks on the rest


async def report_master_keys(settings: Settings, report: Report) -> None:
    database = _open(settings)
    try:
        await _report_versions(database, report)
    finally:
        await database.close()


async def _report_versions(database: Database, report: Report) -> None:
    async with database.sessions() as session:
        used = await counts_by_version(session)
    for version, count in used.items():
        report(f"Master key {version}: {count} data keys.")
    if len(used) <= 1:
        newest = max(used, default=0)
        report(
            f"Master keys older than {newest} are unused: once every process with the role api has "
            f"master-{newest:04}.public, their files can be removed."
            if newest > 1
            else "No older master key is in use."
        )
