"""The SQL of sealed credentials for the role `api`, which adds and removes but never reads them."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.sealing import Sealed
from app.db.base import AnyRow
from app.db.models import Key, KeyCredential, Restoration


class CredentialRepository:
    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def proof(self, key_id: UUID) -> AnyRow:
        """Return what is proven of the key: `exchange_account`, the keyed hash of the account that
        it belongs to if known, its `fingerprint`, and whether it is `unverified`.
        """
        query = select(Key.exchange_account, Key.fingerprint, Key.unverified).where(
            Key.account_id == self._account_id, Key.id == key_id
        )
        return (await self._session.execute(query)).one()

    async def version_floor(self) -> int:
        """Return what new versions must be above: bots may have seen any that a recovery undid."""
        found = await self._session.scalar(select(func.max(Restoration.version_floor)))
        return found or 0

    async def remove(self, key_id: UUID) -> int:
        """Delete all versions and return how many there were; the parts of a key pair are one."""
        removal = delete(KeyCredential).where(*self._of(key_id)).returning(KeyCredential.version)
        versions = (await self._session.scalars(removal)).all()
        return sum(1 for version in versions if version > 0)

    async def add_api_key(self, key_id: UUID, version: int, sealed: Sealed) -> None:
        """Add the API key of a pair, sealed apart: its row has the negated version."""
        await self.add(key_id, -version, sealed)

    async def add(self, key_id: UUID, version: int, sealed: Sealed) -> None:
        await self._session.execute(
            insert(KeyCredential).values(
                account_id=self._account_id,
                key_id=key_id,
                version=version,
                ciphertext=sealed.ciphertext,
                nonce=sealed.nonce,
                sealed_data_key=sealed.sealed_data_key,
                master_key_version=sealed.master_key_version,
            )
        )

    def _of(self, key_id: UUID) -> tuple[Any, Any]:
        return KeyCredential.account_id == self._account_id, KeyCredential.key_id == key_id
