"""The margin mode of an exchange account that has one for all symbols.

It stands on each of the account's keys, above what their assets hold, so that the assets of a key
cannot differ. All keys of the exchange account are locked for a change, as openings share them.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, Uuid, bindparam, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db import notifications
from app.db.failures import Overtaken
from app.db.models import Key, TradingAsset


class AssetName(NamedTuple):
    """What identifies an asset among all of an account."""

    key_id: UUID
    contract_type: str
    symbol: str


# Key and assets hold the mode afterwards: the release before reads it from the assets.
_SHARE = text(
    """
    UPDATE trading_assets AS asset
    SET margin_mode = :margin_mode, revision = asset.revision + 1,
        updated_at = statement_timestamp()
    FROM keys
    WHERE asset.account_id = :account AND asset.key_id = ANY(:keys)
      AND keys.account_id = asset.account_id AND keys.id = asset.key_id
      AND (asset.margin_mode <> :margin_mode
           OR coalesce(keys.margin_mode, asset.margin_mode) <> :margin_mode)
    RETURNING asset.key_id, asset.contract_type, asset.symbol
    """
).bindparams(
    bindparam("margin_mode", type_=Text()),
    bindparam("account", type_=Uuid()),
    bindparam("keys", type_=ARRAY(Uuid())),
)


class MarginModes:
    """The margin modes of the exchange accounts of one account's keys."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def lock(self, key_id: UUID) -> list[UUID]:
        """Lock all keys of the key's exchange account; return their ids, none if the key is gone.

        Where the exchange did not name the account, that is the key alone.
        """
        keys = self._of_exchange_account(key_id)
        locked = list(await self._session.scalars(keys.with_for_update()))
        if list(await self._session.scalars(keys)) != locked:
            raise Overtaken
        return locked

    async def shared(self, key_ids: Sequence[UUID]) -> str | None:
        """Return the mode of these keys of one exchange account, if any of them has one set."""
        modes = select(Key.margin_mode).where(
            Key.account_id == self._account_id,
            Key.id.in_(key_ids),
            Key.margin_mode.is_not(None),
        )
        return await self._session.scalar(modes.order_by(Key.id).limit(1))

    async def newest(self, key_ids: Sequence[UUID]) -> str | None:
        """Return the mode of the asset of these keys that changed last; `None` without assets."""
        newest = (
            select(TradingAsset.margin_mode)
            .where(TradingAsset.account_id == self._account_id, TradingAsset.key_id.in_(key_ids))
            .order_by(TradingAsset.updated_at.desc())
            .limit(1)
        )
        return await self._session.scalar(newest)

    async def share(self, key_ids: Sequence[UUID], margin_mode: str) -> list[AssetName]:
        """Give these keys and all their assets one mode; return the assets that changed."""
        names = {"account": self._account_id, "keys": list(key_ids), "margin_mode": margin_mode}
        changed = await self._session.execute(_SHARE, names)
        found = sorted(AssetName._make(row) for row in changed)
        await self._session.execute(
            update(Key)
            .where(
                Key.account_id == self._account_id,
                Key.id.in_(key_ids),
                Key.margin_mode.is_distinct_from(margin_mode),
            )
            .values(margin_mode=margin_mode)
        )
        for key_id in sorted({name.key_id for name in found}):
            await notifications.notify_of_key(self._session, self._account_id, key_id)
        return found

    async def adopt(self, key_id: UUID) -> None:
        """Give a key the mode of the other keys of its exchange account, once that is named."""
        others = [other for other in await self.lock(key_id) if other != key_id]
        mode = await self.shared(others) or await self.newest(others)
        if mode is not None:
            await self.share([key_id], mode)

    def _of_exchange_account(self, key_id: UUID) -> Select[UUID]:
        named = aliased(Key)
        account = select(named.exchange_account).where(
            named.account_id == self._account_id, named.id == key_id
        )
        return (
            select(Key.id)
            .where(
                Key.account_id == self._account_id,
                or_(Key.id == key_id, Key.exchange_account == account.scalar_subquery()),
            )
            .order_by(Key.id)
        )
