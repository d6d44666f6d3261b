"""The SQL of rotating the master key: data keys are resealed online, in batches."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.release import Releaser
from app.db.models import Key, KeyCredential
from botkeys.sealing.binding import Binding
from botkeys.sealing.errors import CannotOpen

BATCH = 200
Place = tuple[UUID, UUID, int]


@dataclass(slots=True)
class Batch:
    """The result of one transaction; `last` is where the next batch begins, None at the end."""

    resealed: int = 0
    unopenable: int = 0
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
            sealed = releaser.reseal(row.sealed_data_key, row.master_key_version, newest, binding)
        except CannotOpen:
            batch.unopenable += 1
            continue
        await session.execute(
            update(KeyCredential)
            .where(
                KeyCredential.account_id == row.account_id,
                KeyCredential.key_id == row.key_id,
                KeyCredential.version == row.version,
            )
            .values(sealed_data_key=sealed, master_key_version=newest)
        )
        batch.resealed += 1
    if len(rows) == BATCH:
        batch.last = (rows[-1].account_id, rows[-1].key_id, rows[-1].version)
    return batch
