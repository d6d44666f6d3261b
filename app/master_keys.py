"""Rotation of the master key: data keys are sealed anew, online, in batches."""

from collections.abc import Callable

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database, open_database
from app.db.models import Key, KeyCredential
from app.settings import Settings, SettingsError
from app.vault.binding import Binding
from app.vault.keyfiles import KeyFolder
from app.vault.release import Releaser

BATCH = 200
Tell = Callable[[str], None]


async def counts_by_version(session: AsyncSession) -> dict[int, int]:
    """How many data keys are sealed to each version of the master key."""
    rows = await session.execute(
        select(KeyCredential.master_key_version, func.count())
        .group_by(KeyCredential.master_key_version)
        .order_by(KeyCredential.master_key_version)
    )
    return {row[0]: row[1] for row in rows}


async def reseal_batch(session: AsyncSession, releaser: Releaser, newest: int) -> int:
    """Seal up to `BATCH` data keys to the newest master key; how many there were.

    Rows that another run has locked are its own; a row is changed only together with its version,
    so a run that is killed leaves each row under one key or the other.
    """
    rows = (
        await session.execute(
            select(
                KeyCredential.account_id,
                KeyCredential.key_id,
                KeyCredential.version,
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
            .limit(BATCH)
            .with_for_update(of=KeyCredential, skip_locked=True)
        )
    ).all()
    for row in rows:
        binding = Binding(row.account_id, row.key_id, row.version, row.exchange, row.environment)
        sealed, version = releaser.reseal(row.sealed_data_key, row.master_key_version, binding)
        await session.execute(
            update(KeyCredential)
            .where(
                KeyCredential.account_id == row.account_id,
                KeyCredential.key_id == row.key_id,
                KeyCredential.version == row.version,
            )
            .values(sealed_data_key=sealed, master_key_version=version)
        )
    return len(rows)


def _open(settings: Settings) -> Database:
    url = settings.direct_database_url or settings.database_url
    if url is None:
        raise SettingsError("BOTKEYS_DATABASE_URL is not set, and this command needs a database.")
    return open_database(
        url.get_secret_value(), application_name="botkeys-master-key", pool_size=None
    )


async def rotate_master_key(settings: Settings, tell: Tell) -> None:
    """Make a newer master key unless one is waiting already, then seal everything to it."""
    folder = KeyFolder(settings.keys_folder)
    database = _open(settings)
    try:
        async with database.sessions() as session:
            used = await counts_by_version(session)
        newest = max(folder.load_private_master_keys(), default=0)
        if newest == 0 or newest in used:
            newest = folder.create_master_key()
            tell(f"Made master key {newest}.")
        releaser = Releaser(folder.load_private_master_keys())
        total = 0
        while True:
            async with database.sessions.begin() as session:
                done = await reseal_batch(session, releaser, newest)
            total += done
            if done == 0:
                break
            tell(f"{total} data keys sealed to master key {newest}.")
        await _tell(database, tell)
    finally:
        await database.close()


async def tell_master_keys(settings: Settings, tell: Tell) -> None:
    database = _open(settings)
    try:
        await _tell(database, tell)
    finally:
        await database.close()


async def _tell(database: Database, tell: Tell) -> None:
    async with database.sessions() as session:
        used = await counts_by_version(session)
    for version, count in used.items():
        tell(f"Master key {version}: {count} data keys.")
    if len(used) <= 1:
        newest = max(used, default=0)
        tell(
            f"Master keys older than {newest} are unused: once every process of the role api has "
            f"master-{newest:04}.public, their files may be taken away."
            if newest > 1
            else "There is no older master key in use."
        )
