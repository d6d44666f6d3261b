"""The SQL of rotating the master key: data keys are resealed online, in batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.release import Releaser
from app.db.base import AnyRow, AnySelect
from app.db.models import Key, KeyCredential
from botkeys.sealing.binding import Binding
from botkeys.sealing.errors import CannotOpen

BATCH = 200


class Place(NamedTuple):
    """The version of a key's credentials that is to be resealed."""

    account_id: UUID
    key_id: UUID
    version: int


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


_IDENTITY = (KeyCredential.account_id, KeyCredential.key_id, KeyCredential.version)


def _older(newest: int, after: Place | None) -> Select[UUID, UUID, int]:
    """Return the query for what to reseal, across accounts and without a lock."""
    rows = (
        select(*_IDENTITY)
        .where(KeyCredential.master_key_version < newest)
        .order_by(*_IDENTITY)
        .limit(BATCH)
    )
    return rows if after is None else rows.where(tuple_(*_IDENTITY) > after)


def _lock(newest: int, account_id: UUID, places: Iterable[Place]) -> AnySelect:
    """Return the statement that locks those of one account's rows that are still to be resealed."""
    of_key = (Key.account_id == KeyCredential.account_id) & (Key.id == KeyCredential.key_id)
    return (
        select(
            *_IDENTITY,
            KeyCredential.sealed_data_key,
            KeyCredential.master_key_version,
            Key.exchange,
            Key.environment,
        )
        .join(Key, of_key)
        .where(
            KeyCredential.account_id == account_id,
            tuple_(KeyCredential.key_id, KeyCredential.version).in_(
                [(key_id, version) for _, key_id, version in places]
            ),
            KeyCredential.master_key_version < newest,
        )
        .order_by(*_IDENTITY)
        .with_for_update(of=KeyCredential, skip_locked=True)
    )


async def reseal_batch(
    session: AsyncSession, releaser: Releaser, newest: int, after: Place | None
) -> Batch:
    """Seal up to `BATCH` data keys to the newest master key.

    Rows that another run has locked are left to it. A row changes only together with its version,
    so a run that is killed leaves each row under one key or the other.
    """
    batch = Batch()
    found = (await session.execute(_older(newest, after))).all()
    places = [Place(*row) for row in found]
    for account_id, of_account in groupby(places, attrgetter("account_id")):
        rows = await session.execute(_lock(newest, account_id, of_account))
        await _reseal(session, releaser, newest, rows.all(), batch)
    if len(places) == BATCH:
        batch.last = places[-1]
    return batch


async def _reseal(
    session: AsyncSession, releaser: Releaser, newest: int, rows: Sequence[AnyRow], batch: Batch
) -> None:
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
