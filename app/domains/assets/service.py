"""The rules of trading assets."""

from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.pagination import Page
from app.db.driver import SessionExecutor
from app.db.revisions import Revisions, require
from app.domains.accounts.repository import AccountRepository
from app.domains.assets.errors import (
    AccountHasOrders,
    AssetAlreadyAdded,
    AssetQuotaReached,
    CatalogueUnknown,
    LeverageAboveMax,
    MarginModeDiffers,
    PositionOpen,
    SymbolHasOrders,
    UnknownSymbol,
)
from app.domains.assets.repository import AssetRepository, AssetRow, Listing
from app.domains.assets.rules import (
    leverage_settable,
    require_margin_mode,
    require_settable_leverage,
)
from app.domains.assets.schemas import AssetChange, AssetCreate
from app.domains.audit.log import AuditLog
from app.domains.catalogue.refresher import CatalogueRefresher, instruments_worth_waiting
from app.domains.catalogue.repository import CatalogueKey, CatalogueRepository
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.keys.margin_modes import AssetName, MarginModes
from app.domains.keys.repository import KeyRepository
from app.domains.keys.rows import KeyRow
from app.domains.trading.directory import own_symbol
from app.domains.trading.symbols import Place, is_foreign
from app.errors import InvalidRequest, NotFound
from botkeys.decimals import plain
from botkeys.exchanges.model import MarginMode
from botkeys.exchanges.registry import EXCHANGES


class AssetService:
    """The assets of the keys of one account, `most` for each key.

    Locks in the order account, key, asset, audit head, event head.

    The key is locked `FOR SHARE`, so that no deletion or contract switch runs concurrently; where
    all symbols share a margin mode, all keys of the exchange account are locked `FOR UPDATE`. An
    opening locks the asset `FOR SHARE`, so that its margin mode cannot change and the asset cannot
    be removed meanwhile.
    """

    def __init__(
        self,
        *,
        session: AsyncSession,
        assets: AssetRepository,
        keys: KeyRepository,
        modes: MarginModes,
        accounts: AccountRepository,
        catalogue: CatalogueRepository,
        refresher: CatalogueRefresher,
        audit: AuditLog,
        events: EventLog,
        most: int,
    ) -> None:
        self._session = session
        self._assets = assets
        self._keys = keys
        self._modes = modes
        self._accounts = accounts
        self._catalogue = catalogue
        self._refresher = refresher
        self._audit = audit
        self._events = events
        self._most = most

    async def page(self, key_id: UUID, after: str | None, limit: int) -> Page[AssetRow, str]:
        rows = await self._assets.page(key_id, after or "", limit + 1)
        if rows is None:
            raise NotFound
        return Page.cut(rows, limit, attrgetter("symbol"))

    async def get(self, key_id: UUID, name: str) -> AssetRow:
        """Return an asset. `name` is its symbol in any spelling that is understood."""
        return await self._get(key_id, await self._symbol(key_id, name))

    async def _get(self, key_id: UUID, symbol: str) -> AssetRow:
        row = await self._assets.get(key_id, symbol)
        if row is None:
            raise NotFound
        return row

    async def _symbol(self, key_id: UUID, name: str) -> str:
        """Return the own symbol that a name means at the key's exchange."""
        if not is_foreign(name):
            return name
        key = await self._keys.get(key_id)
        if key is None:
            raise NotFound
        place = Place(key.exchange, key.environment, key.region or "", key.contract_type)
        return await own_symbol(SessionExecutor(self._session), place, name)

    async def add(self, key_id: UUID, new: AssetCreate) -> AssetRow:
        """Add an asset of the key's current contract type, fetching a catalogue never fetched
        before.
        """
        exchange = await self._fetch_if_unknown(key_id)
        symbol = await self._symbol(key_id, new.symbol)
        key, of_account = await self._key(key_id, whole=EXCHANGES[exchange].shares_margin_mode)
        listing = await self._listing(key, symbol)
        margin_mode = _margin_mode(
            await self._wanted_margin_mode(key, of_account, new.margin_mode), listing.margin_modes
        )
        leverage = _leverage(key.exchange, margin_mode, new.leverage, listing.max_leverage)
        if leverage is None:
            _refuse_missing_leverage(key.exchange, margin_mode)
        added = await self._assets.add(
            key_id,
            key.contract_type,
            symbol,
            leverage=leverage,
            margin_mode=margin_mode,
            enabled=new.enabled,
        )
        if not added:
            raise AssetAlreadyAdded
        if of_account:
            await self._modes.share(of_account, margin_mode)
        await self._record(
            "asset.add",
            key,
            symbol,
            leverage=leverage,
            margin_mode=margin_mode,
            enabled=new.enabled,
        )
        # Counted under the lock of the audit log's head, which every addition holds to its end.
        if await self._assets.count(key_id) > self._most:
            raise AssetQuotaReached(self._most)
        await self._add_event(key, symbol, "added")
        return await self._get(key_id, symbol)

    async def change(
        self,
        key_id: UUID,
        name: str,
        change: AssetChange,
        expected: Revisions | None,
    ) -> tuple[AssetRow, list[AssetName]]:
        """Change an asset. `expected` holds the revisions named by If-Match, if it was sent.

        Returns also the other assets that changed: with the margin mode of one, that of all assets
        changes where the exchange account has only one.
        """
        symbol = await self._symbol(key_id, name)
        whole = change.margin_mode is not None and await self._shares_margin_mode(key_id)
        key, row, of_account = await self._locked(key_id, symbol, expected, whole=whole)
        margin_mode = change.margin_mode or row.margin_mode
        _leverage(row.exchange, margin_mode, change.leverage, row.max_leverage)
        if margin_mode != row.margin_mode:
            _margin_mode(change.margin_mode, row.margin_modes)
            if change.leverage is None and row.kept_leverage is None:
                _refuse_missing_leverage(row.exchange, margin_mode)
            if of_account:
                await self._refuse_any_open_positions(of_account)
            else:
                await self._refuse_open_positions(key_id, symbol)
        changed: dict[str, Any] = {
            member: value
            for member, value in change
            if value is not None and value != getattr(row, member)
        }
        if not changed:
            return row, []
        asset = AssetName(key_id, key.contract_type, symbol)
        others = await self._change(asset, of_account, changed)
        counted = {"also_changed": len(others)} if others else {}
        await self._record("asset.change", key, symbol, **changed, **counted)
        await self._add_event(key, symbol, "changed", sorted(changed))
        for other_id in sorted({other.key_id for other in others} - {key.id}):
            await self._events.add(
                EventType.ASSET_CHANGED,
                key_id=other_id,
                environment=key.environment,
                change="changed",
                changed=["margin_mode"],
            )
        return await self._get(key_id, symbol), others

    async def _change(
        self, asset: AssetName, of_account: Sequence[UUID], changed: dict[str, Any]
    ) -> list[AssetName]:
        """Change the asset, and with its margin mode that of all assets of these keys; return the
        others that changed.
        """
        own = dict(changed)
        others: list[AssetName] = []
        if of_account and "margin_mode" in own:
            others = await self._modes.share(of_account, own.pop("margin_mode"))
        if own:
            await self._assets.change(*asset, **own)
        return [other for other in others if other != asset]

    async def remove(self, key_id: UUID, name: str, expected: Revisions | None) -> None:
        symbol = await self._symbol(key_id, name)
        key, _, _ = await self._locked(key_id, symbol, expected)
        await self._refuse_open_positions(key_id, symbol)
        await self._assets.remove(key_id, key.contract_type, symbol)
        await self._record("asset.remove", key, symbol)
        await self._add_event(key, symbol, "removed")

    async def _wanted_margin_mode(
        self, key: KeyRow, of_account: Sequence[UUID], wanted: MarginMode | None
    ) -> MarginMode | None:
        """Return the wanted margin mode, or that of the exchange account if it has only one.

        Another one than that is taken while no asset and no position depends on it.
        """
        if not of_account:
            return wanted
        newest = await self._modes.newest(of_account)
        shared = await self._modes.shared(of_account) or newest
        if shared is None or wanted in {None, shared}:
            return wanted if shared is None else MarginMode(shared)
        if (
            newest is not None
            or await self._keys.locking_positions(*of_account)
            or await self._keys.resting_orders(*of_account)
        ):
            raise MarginModeDiffers(EXCHANGES[key.exchange].name, shared)
        return wanted

    async def _shares_margin_mode(self, key_id: UUID) -> bool:
        row = await self._keys.get(key_id)
        return row is not None and EXCHANGES[row.exchange].shares_margin_mode

    async def _fetch_if_unknown(self, key_id: UUID) -> str:
        """Return the key's exchange, which never changes."""
        row = await self._keys.get(key_id)
        if row is None:
            raise NotFound
        name = CatalogueKey.of(row)
        if instruments_worth_waiting(await self._catalogue.state(name)):
            # Nothing is written yet: give the connection back before the exchange is called.
            await self._session.rollback()
            await self._refresher.refresh(name)
        return name.exchange

    async def _key(self, key_id: UUID, *, whole: bool = False) -> tuple[KeyRow, list[UUID]]:
        """Take a shared lock on the key and return its row, read in a later statement than the
        lock. With `whole`, lock all keys of its exchange account against all others, and return
        their ids too.
        """
        await self._accounts.lock_shared()
        of_account: list[UUID] = []
        if whole:
            of_account = await self._modes.lock(key_id)
        else:
            await self._keys.lock(key_id, share=True)
        row = await self._keys.get(key_id)
        if row is None:
            raise NotFound
        return row, of_account

    async def _locked(
        self, key_id: UUID, symbol: str, expected: Revisions | None, *, whole: bool = False
    ) -> tuple[KeyRow, AssetRow, list[UUID]]:
        key, of_account = await self._key(key_id, whole=whole)
        if not await self._assets.lock(key_id, key.contract_type, symbol):
            raise NotFound
        row = await self._get(key_id, symbol)
        require(row.revision, expected)
        return key, row, of_account

    async def _listing(self, key: KeyRow, symbol: str) -> Listing:
        name = CatalogueKey.of(key)
        listing = await self._assets.listing(name, key.id, symbol)
        if listing is not None:
            return listing
        profile = EXCHANGES[key.exchange]
        state = await self._catalogue.state(name)
        if state is None or state.instruments_age is None:
            reason = None if state is None else state.failure
            raise CatalogueUnknown(profile.name, reason or "no_answer")
        raise UnknownSymbol(profile.name, key.environment, key.contract_type)

    async def _refuse_open_positions(self, key_id: UUID, symbol: str) -> None:
        count = await self._assets.locking_positions(key_id, symbol)
        if count:
            raise PositionOpen(count)
        orders = await self._assets.resting_orders(key_id, symbol)
        if orders:
            raise SymbolHasOrders(orders)

    async def _refuse_any_open_positions(self, key_ids: Sequence[UUID]) -> None:
        count = await self._keys.locking_positions(*key_ids)
        if count:
            raise PositionOpen(count, anywhere=True)
        orders = await self._keys.resting_orders(*key_ids)
        if orders:
            raise AccountHasOrders(orders)

    async def _add_event(
        self, key: KeyRow, symbol: str, change: str, changed: list[str] | None = None
    ) -> None:
        await self._events.add(
            EventType.ASSET_CHANGED,
            key_id=key.id,
            bot_id=key.bot_id,
            environment=key.environment,
            symbol=symbol,
            change=change,
            changed=changed,
        )

    async def _record(self, action: str, key: KeyRow, symbol: str, **details: Any) -> None:
        for name, value in details.items():
            if isinstance(value, Decimal):
                details[name] = plain(value)
        await self._audit.record(
            action,
            target="asset",
            target_id=symbol,
            environment=key.environment,
            key_id=str(key.id),
            contract_type=key.contract_type,
            **details,
        )


def _leverage(
    exchange: str, margin_mode: str, wanted: Decimal | None, maximum: Decimal | None
) -> Decimal | None:
    """Return the wanted leverage if the exchange allows it; an unknown maximum rejects nothing."""
    if wanted is None:
        return None
    require_settable_leverage(exchange, margin_mode)
    if maximum is not None and wanted > maximum:
        raise LeverageAboveMax(maximum)
    return wanted


def _refuse_missing_leverage(exchange: str, margin_mode: str) -> None:
    """Reject an asset without a leverage where the exchange has one to set."""
    if leverage_settable(exchange, margin_mode):
        fault = {"loc": ["body", "leverage"], "type": "missing", "msg": "Field required"}
        raise InvalidRequest([fault])


def _margin_mode(wanted: MarginMode | None, offered: Sequence[str]) -> str:
    """Return the wanted mode, or by default cross, or else the symbol's only mode."""
    if wanted is None:
        return MarginMode.CROSS if MarginMode.CROSS in offered else offered[0]
    require_margin_mode(wanted, offered)
    return wanted
