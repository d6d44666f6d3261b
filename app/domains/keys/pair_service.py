"""Key pairs made here: the private half is sealed at once and never passes through a clipboard."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.fingerprint import fingerprint, mask
from app.custody.role_keys import ApiKeys
from app.db.base import new_id
from app.db.failures import violated_constraint
from app.db.revisions import Revisions, require
from app.domains.accounts.quotas import Quota
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.catalogue.refresher import CatalogueRefresher
from app.domains.catalogue.repository import CatalogueKey
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.keys.credential_check import skipped
from app.domains.keys.credential_input import require_offered
from app.domains.keys.credential_repository import CredentialRepository
from app.domains.keys.credential_sealer import CredentialSealer
from app.domains.keys.errors import (
    KeyAlreadyAdded,
    KeyPairNotOffered,
    KeyPairOutdated,
    KeyQuotaReached,
    MalformedCredentials,
    SecretMissing,
)
from app.domains.keys.pair_generation import PairGenerator
from app.domains.keys.repository import KeyRepository
from app.domains.keys.rows import KeyRow
from app.domains.keys.schemas import KeyPairCreate
from app.errors import NotFound
from app.limits.requests import RequestLimit
from botkeys.exchanges.credential_format import malformed_api_key
from botkeys.exchanges.model import Environment
from botkeys.exchanges.pasted import Adjustment, without_surroundings
from botkeys.exchanges.registry import EXCHANGES, Exchanges
from botkeys.sealing.binding import Binding
from botkeys.sealing.secret import Secret

_NO_MASK = mask(Secret(""))
_MARK_BYTES = 32


class PairService:
    """The key pairs of one account, which count among its keys.

    A pair is a key without its API key: the exchange issues that for the public half, and the user
    brings it. Until then no bot can have the key. Nobody here can open the private half, so the
    exchange cannot be asked about the key: its bot reports.

    `limit` counts pairs with the account's checks of keys. `aside`: a context that is entered while
    a pair is made. Locks in the order account, key, audit head, event head.
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
        generator: PairGenerator,
        limit: RequestLimit,
        aside: Callable[[], AbstractAsyncContextManager[None]],
        account_id: UUID,
        exchanges: Exchanges,
        refresher: CatalogueRefresher,
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
        self._generator = generator
        self._limit = limit
        self._aside = aside
        self._account_id = account_id
        self._exchanges = exchanges
        self._refresher = refresher
        self._audit = audit
        self._events = events
        self._quota = quota

    async def add(self, new: KeyPairCreate) -> KeyRow:
        """Make a pair, seal its private half, and store it as a key that awaits its API key."""
        profile = EXCHANGES[new.exchange]
        require_offered(profile, new.environment, new.region, new.contract_type)
        if new.algorithm not in profile.key_pairs:
            raise KeyPairNotOffered(profile.name, profile.key_pairs)
        if not await self._quota.has_room():
            raise KeyQuotaReached(self._quota.most)
        await self._sealer.require()
        # Nothing is written yet: give the connection back while the pair is made.
        await self._session.rollback()
        await self._limit.take(self._account_id)
        async with self._aside(), self._generator.turn(self._account_id):
            pair = await self._generator.generate(new.algorithm)
        account_id = await self._accounts.lock_shared()
        key_id = new_id()
        version = await self._credentials.version_floor() + 1
        binding = Binding(account_id, key_id, version, new.exchange, new.environment)
        sealed = await self._sealer.seal_private_half(pair.private_half, binding)
        tells = self._exchanges.adapter(new.exchange).tells_withdrawal(new.environment, new.region)
        await self._keys.add(
            key_id,
            label=new.label,
            exchange=new.exchange,
            environment=new.environment,
            region=new.region,
            contract_type=new.contract_type,
            masked_key=_NO_MASK,
            fingerprint=secrets.token_bytes(_MARK_BYTES),
            active=new.active,
            exchange_account=None,
            public_key=pair.public_key,
            awaiting_api_key=True,
            version=version,
            **skipped(unverified=tells).columns,
        )
        await self._credentials.add(key_id, version, sealed)
        self._refresher.start(
            CatalogueKey(new.exchange, new.environment, new.region, new.contract_type)
        )
        await self._audit.record(
            "key.add_pair",
            target="key",
            target_id=key_id,
            environment=new.environment,
            exchange=new.exchange,
            algorithm=new.algorithm,
        )
        if not await self._quota.take():
            raise KeyQuotaReached(self._quota.most)
        row = self._current(await self._keys.get(key_id), None)
        await self._events.add(
            EventType.KEY_ADDED,
            key_id=key_id,
            environment=row.environment,
            label=row.label,
            exchange=row.exchange,
            contract_type=row.contract_type,
            active=row.active,
            status=row.verification_status,
        )
        return row

    async def complete(
        self, key_id: UUID, api_key: Secret, expected: Revisions | None
    ) -> tuple[KeyRow, Sequence[Adjustment]]:
        """Seal the API key that the exchange gave for the pair's public half; return the key, and
        what was removed around its text.
        """
        row = self._awaiting(self._current(await self._keys.get(key_id), expected))
        bare, adjusted = without_surroundings("api_key", api_key.reveal())
        api_key = Secret(bare)
        fault = malformed_api_key(row.exchange, api_key)
        if fault is not None:
            raise MalformedCredentials(fault)
        environment = Environment(row.environment)
        mark = fingerprint(self._vault.fingerprint, row.exchange, environment, api_key)
        account_id = await self._accounts.lock_shared()
        if not await self._keys.lock(key_id):
            raise NotFound
        row = self._awaiting(self._current(await self._keys.get(key_id), expected))
        known = await self._keys.find(mark)
        if known is not None:
            raise KeyAlreadyAdded(known)
        if row.version <= await self._credentials.version_floor():
            raise KeyPairOutdated
        binding = Binding(account_id, key_id, row.version, row.exchange, environment)
        sealed = await self._sealer.seal_api_key(api_key, binding)
        try:
            await self._keys.change(
                key_id, masked_key=mask(api_key), fingerprint=mark, awaiting_api_key=False
            )
        except IntegrityError as error:
            # Another request added the key meanwhile: only the constraint is immune to that race.
            if violated_constraint(error) != "uq_keys_account_id_fingerprint":
                raise
            raise KeyAlreadyAdded from None
        await self._credentials.add_api_key(key_id, row.version, sealed)
        await self._audit.record(
            "key.complete_pair",
            target="key",
            target_id=key_id,
            environment=row.environment,
            exchange=row.exchange,
        )
        row = self._current(await self._keys.get(key_id), None)
        await self._events.add(
            EventType.KEY_REPLACED,
            key_id=key_id,
            environment=row.environment,
            label=row.label,
            exchange=row.exchange,
            version=row.version,
            status=row.verification_status,
        )
        return row, adjusted

    @staticmethod
    def _awaiting(row: KeyRow) -> KeyRow:
        """Refuse an API key alone where its secret is not held already."""
        if not row.awaiting_api_key:
            raise SecretMissing
        return row

    @staticmethod
    def _current(row: KeyRow | None, expected: Revisions | None) -> KeyRow:
        if row is None:
            raise NotFound
        require(row.revision, expected)
        return row
