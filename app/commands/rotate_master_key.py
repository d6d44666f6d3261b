"""`botkeys master-key rotate` and `status`: seals all data keys to the newest master key."""

import asyncio
from collections.abc import Callable

from sqlalchemy import text

from app.custody.keyfiles import KeyFolder
from app.custody.master_keys.rotation import counts_by_version, reseal_batch
from app.custody.release import Releaser
from app.db.engine import Database, open_database
from app.settings import Settings, SettingsError

ADVISORY_LOCK = 0x626F746B6D6B
"""Held while deciding whether to make a new master key ("botkmk" in ASCII)."""

_PAUSE_SECONDS = 0.05
Report = Callable[[str], None]


class RotationIncomplete(Exception):
    """Some data keys cannot be opened and stay unchanged."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} data keys cannot be opened with the master key that they name: they were "
            "altered, or sealed elsewhere. They are unchanged; keep that master key."
        )


def _open_database(settings: Settings) -> Database:
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
    database = _open_database(settings)
    try:
        newest = await _newest(database, folder, report)
        unopenable = await _reseal_all(
            database, Releaser(folder.load_private_master_keys()), newest, report
        )
        await _report_versions(database, report)
    finally:
        await database.close()
    if unopenable:
        raise RotationIncomplete(unopenable)


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
        unopenable, after = 0, None
        while True:
            async with database.sessions.begin() as session:
                batch = await reseal_batch(session, releaser, newest, after)
            total += batch.resealed
            unopenable += batch.unopenable
            if batch.resealed:
                report(f"{total} data keys sealed to master key {newest}.")
            if batch.last is None:
                break
            after = batch.last
        async with database.sessions() as session:
            used = await counts_by_version(session)
        if sum(count for version, count in used.items() if version < newest) <= unopenable:
            return unopenable
        await asyncio.sleep(_PAUSE_SECONDS)  # another run holds locks on the rest


async def report_master_keys(settings: Settings, report: Report) -> None:
    database = _open_database(settings)
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
