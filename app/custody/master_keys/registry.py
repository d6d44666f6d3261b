"""Remembers which master key each version is, so that a wrong file is found before it is used."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import MasterKeyVersion


async def strangers(session: AsyncSession, held: Mapping[int, str]) -> list[int]:
    """The versions that are another key than the one first seen under that number.

    `held` maps versions to fingerprints of public keys. A version not seen before is remembered.
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
