"""A record of which master key each version is, which exposes a wrong file before it is used."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import MasterKeyVersion


async def strangers(session: AsyncSession, held: Mapping[int, str]) -> list[int]:
    """Return the versions whose key differs from the one first recorded under that number.

    `held` maps versions to fingerprints of public keys. An unknown version is recorded.
    """
    if not held:
        return []
    rows = [
        {"version": version, "fingerprint": fingerprint} for version, fingerprint in held.items()
    ]
    await session.execute(insert(MasterKeyVersion).values(rows).on_conflict_do_nothing())
    known = await session.execute(
        select(MasterKeyVersion.version, MasterKeyVersion.fingerprint).where(
            MasterKeyVersion.version.in_(held)
        )
    )
    return sorted(version for version, fingerprint in known if held[version] != fingerprint)
