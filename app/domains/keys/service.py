"""The rules of keys."""

from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.pagination import Page
from app.custody.fingerprint import fingerprint, mask
from app.custody.role_keys import ApiKeys
from app.db.base import new_id
from app.db.clock import NOW
from app.db.failures import Overtaken
from app.db.paged_list import Order, SortedPlace
from app.db.revisions import Revisions, require
from app.domains.accounts.quotas import Quota
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.bots.repository import BotRepository
from app.domains.catalogue.leverages import KeyLeverages
from app.domains.catalogue.refresher import CatalogueRefresher
from app.domains.catalogue.repository import CatalogueKey
from app.domains.events.key_health import KeyHealth, add_health_events
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.keys.contract_switch import ContractSwitch
from app.domains.keys.credential_check import CredentialCheck, Verified, hashed_account
from app.domains.keys.credential_input import KeyRequest, read_request
from app.domains.keys.credential_repository import CredentialRepository
from app.domains.keys.credential_sealer import CredentialSealer
from app.domains.keys.errors import EnvironmentImmutable, KeyAlreadyAdded, KeyQuotaReached
from app.domains.keys.listing import KeyFilter
from app.domains.keys.repository import KeyRepository
from app.domains.keys.rows import KeyRow
from app.domains.keys.schemas import KeyChange, KeyCreate
from app.errors import NotFound
from botkeys.exchanges.pasted import Adjustment
from botkeys.sealing.binding import Binding


class KeyService:
    """The keys of one account, within its quota.

    Locks in the order account, bot, presence, key, audit head, event head.
    """

    def __init__(
        self,
        *,
        session: AsyncSession,
        keys: KeyRepository,
        credentials: CredentialRepository,
        accounts: AccountRepository,
        vault: ApiKeys,
        sealer: CredentialSealer,
        check: CredentialCheck,
        leverages: KeyLeverages,
        refresher: CatalogueRefresher,
        bots: BotRepository,
        audit: AuditLog,
        events: EventLog,
        quota: Quota,
    ) -> None:
        self._session = session
        self._keys = keys
        self._credentials = credentials
        self._accounts = accounts
        self._vault = vault
        self._sealer = sealer
        self._check = check
        self._leverages = leverages
        self._refresher = refresher
        self._switch = ContractSwitch(keys, bots)
        self._audit = audit
        self._events = events
        self._quota = quota

    async def page(self, wanted: KeyFilter, after: UUID | None, limit: int) -> Page[KeyRow, UUID]:
        """Return a page of the keys, newest first."""
        rows = await self._keys.page(wanted, None, after, limit + 1)
        return Page.cut(rows, limit, attrgetter("id"))

    async def sorted_page(
        self, wanted: KeyFilter, order: Order, after: SortedPlace | None, limit: int
    ) -> Page[KeyRow, SortedPlace]:
        rows = await self._keys.page(wanted, order, after, limit + 1)
        return Page.cut(rows, limit, order.place)

    async def get(self, key_id: UUID) -> KeyRow:
        row = await self._keys.get(key_id)
        if row is None:
            raise NotFound
        return row

    async def add(self, new: KeyCreate) -> tuple[KeyRow, tuple[Adjustment, ...]]:
        """Check the form, look for a duplicate, ask the exchange, then seal and store.

        Return the key, and what was changed in the credentials as they were sent.
        """
        request = read_request(new)
        mark = fingerprint(
            self._vault.fingerprint,
            request.exchange,
            request.environment,
            request.credentials.api_key,
        )
        known = await self._keys.find(mark)
        if known is not None:
            raise KeyAlreadyAdded(known)
        if not await self._quota.has_room():
            raise KeyQuotaReached(self._quota.most)
        await self._sealer.require()
        # Nothing is written yet: give the connection back before the exchange is called.
        await self._session.rollback()
        verified = await self._check.run(request)
        return await self._store(request, verified, mark), request.adjusted

    async def _store(self, request: KeyRequest, verified: Verified, mark: bytes) -> KeyRow:
        account_id = await self._accounts.lock_shared()
        key_id = new_id()
        sealed = await self._sealer.seal(
            request.credentials,
            Binding(account_id, key_id, 1, request.exchange, request.environment),
        )
        added = await self._keys.add(
            key_id,
            label=request.label,
            exchange=request.exchange,
            environment=request.environment,
            region=request.region,
            contract_type=request.contract_type,
            masked_key=mask(request.credentials.api_key),
            fingerprint=mark,
            active=request.active,
            exchange_account=hashed_account(self._vault.fingerprint, request, verified),
            **verified.columns,
        )
        if not added:
            raise KeyAlreadyAdded(await self._keys.find(mark))
        await self._credentials.add(key_id, 1, sealed)
        name = CatalogueKey(
            request.exchange, request.environment, request.region, request.contract_type
        )
        await self._leverages.learn(key_id, request.contract_type, verified.report.max_leverage)
        self._refresher.start(name)
        await self._audit.record(
            "key.add",
            target="key",
            target_id=key_id,
            environment=request.environment,
            exchange=request.exchange,
            verification=verified.status,
        )
        if not await self._quota.take():
            raise KeyQuotaReached(self._quota.most)
        row = await self.get(key_id)
        named: dict[str, Any] = {"key_id": key_id, "environment": row.environment}
        named |= {"label": row.label, "exchange": row.exchange}
        await self._events.add(
            EventType.KEY_ADDED,
            **named,
            contract_type=row.contract_type,
            active=row.active,
            status=row.verification_status,
        )
        await add_health_events(self._events, None, KeyHealth.of(row), **named)
        return row

    async def change(self, key_id: UUID, change: KeyChange, expected: Revisions | None) -> KeyRow:
        """Rename, (de)activate or switch the key. `expected` holds the revisions named by If-Match,
        if sent.
        """
        switching = change.contract_type is not None
        row = await self._locked(key_id, expected, with_bot=switching)
        if change.environment is not None and change.environment != row.environment:
            raise EnvironmentImmutable
        if change.contract_type is not None:
            await self._switch.check(row, change.contract_type)
        wanted = {
            "label": change.label,
            "active": change.active,
            "contract_type": change.contract_type,
        }
        changed: dict[str, Any] = {
            name: value
            for name, value in wanted.items()
            if value is not None and value != getattr(row, name)
        }
        if not changed:
            return row
        since = {"active_since": NOW} if "active" in changed else {}
        await self._keys.change(key_id, **changed, **since)
        await self._audit.record(
            "key.change",
            target="key",
            target_id=key_id,
            environment=row.environment,
            **changed,
        )
        row = await self.get(key_id)
        await self._events.add(
            EventType.KEY_CHANGED,
            key_id=key_id,
            bot_id=row.bot_id,
            environment=row.environment,
            label=row.label,
            exchange=row.exchange,
            contract_type=row.contract_type,
            active=row.active,
            changed=sorted(changed),
        )
        if "contract_type" in changed:
            self._refresher.start(CatalogueKey.of(row))
        return row

    async def _locked(
        self,
        key_id: UUID,
        expected: Revisions | None,
        *,
        with_bot: bool = False,
    ) -> KeyRow:
        """Lock the key and return its row, read in a separate statement after the lock was
        taken.
        """
        await self._accounts.lock_shared()
        bot_id = await self._switch.lock_bot(key_id) if with_bot else None
        if not await self._keys.lock(key_id):
            raise NotFound
        row = await self.get(key_id)
        if with_bot and row.bot_id != bot_id:
            raise Overtaken
        require(row.revision, expected)
        return row
