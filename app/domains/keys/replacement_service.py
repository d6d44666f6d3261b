"""Replaces a key's credentials in place: its bot, positions and settings stay as they are."""

import hmac
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.fingerprint import fingerprint, mask
from app.custody.role_keys import ApiKeys
from app.db.failures import violated_constraint
from app.db.revisions import Revisions, require
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.bots.errors import KeyIncomplete
from app.domains.catalogue.leverages import KeyLeverages
from app.domains.events.key_health import KeyHealth, add_health_events
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.keys.credential_check import CredentialCheck, Verified, hashed_account
from app.domains.keys.credential_input import KeyRequest, read_credentials
from app.domains.keys.credential_repository import CredentialRepository
from app.domains.keys.credential_sealer import CredentialSealer
from app.domains.keys.errors import (
    KeyAlreadyAdded,
    OtherExchangeAccount,
    SameAccountUnproven,
    SecretMissing,
    UnprovenHasOrders,
    UnprovenHasPositions,
)
from app.domains.keys.margin_modes import MarginModes
from app.domains.keys.repository import KeyRepository
from app.domains.keys.rows import KeyRow
from app.domains.keys.schemas import CredentialsInput, CredentialsReplace
from app.errors import NotFound
from botkeys.exchanges.model import ContractType, Environment, PermissionAnswer
from botkeys.exchanges.pasted import Adjustment
from botkeys.exchanges.registry import EXCHANGES
from botkeys.sealing.binding import Binding


class ReplacementService:
    """New credentials for keys of one account. Locks in the order account, key, audit head, event
    head.
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
        modes: MarginModes,
        audit: AuditLog,
        events: EventLog,
    ) -> None:
        self._session = session
        self._keys = keys
        self._credentials = credentials
        self._accounts = accounts
        self._vault = vault
        self._sealer = sealer
        self._check = check
        self._leverages = leverages
        self._modes = modes
        self._audit = audit
        self._events = events

    async def replace(
        self,
        key_id: UUID,
        new: CredentialsReplace,
        expected: Revisions | None,
    ) -> tuple[KeyRow, tuple[Adjustment, ...]]:
        """Check as for a new key, compare the exchange account, then seal the next version.

        Return the key, and what was changed in the credentials as they were sent.
        """
        row = self._current(await self._keys.get(key_id), expected)
        if row.awaiting_api_key:
            raise KeyIncomplete
        request = _request(row, new)
        mark = fingerprint(
            self._vault.fingerprint,
            request.exchange,
            request.environment,
            request.credentials.api_key,
        )
        await self._refuse_other_key(mark, key_id)
        await self._sealer.require()
        # Nothing is written yet: give the connection back before the exchange is called.
        await self._session.rollback()
        verified = await self._check.run(request)
        account_id = await self._accounts.lock_shared()
        if not await self._keys.lock(key_id):
            raise NotFound
        row = self._current(await self._keys.get(key_id), expected)
        before = await self._credentials.proof(key_id)
        same_key = hmac.compare_digest(before.fingerprint, mark)
        exchange_account = await self._same_account(
            row,
            before.exchange_account,
            hashed_account(self._vault.fingerprint, request, verified),
            vouched=same_key,
            confirmed=new.confirm_same_account,
        )
        version = max(row.version, await self._credentials.version_floor()) + 1
        binding = Binding(account_id, key_id, version, request.exchange, request.environment)
        sealed = await self._sealer.seal(request.credentials, binding)
        try:
            await self._keys.change(
                key_id,
                version=version,
                masked_key=mask(request.credentials.api_key),
                fingerprint=mark,
                exchange_account=exchange_account,
                public_key=None,
                **verified.columns
                | _kept_doubts(row, verified, unverified=before.unverified, same_key=same_key),
            )
        except IntegrityError as error:
            # Another request added the key meanwhile: only the constraint is immune to that race.
            if violated_constraint(error) != "uq_keys_account_id_fingerprint":
                raise
            raise KeyAlreadyAdded from None
        if EXCHANGES[row.exchange].shares_margin_mode and exchange_account not in {
            None,
            before.exchange_account,
        }:
            await self._modes.adopt(key_id)
        await self._credentials.remove(key_id)
        await self._credentials.add(key_id, version, sealed)
        if not same_key and (before.exchange_account is None or exchange_account is None):
            await self._leverages.forget(key_id)
        await self._leverages.learn(key_id, row.contract_type, verified.report.max_leverage)
        await self._audit.record(
            "key.replace_credentials",
            target="key",
            target_id=key_id,
            environment=row.environment,
            exchange=row.exchange,
            version=version,
            verification=verified.status,
            confirmed_same_account=new.confirm_same_account,
        )
        former, row = row, self._current(await self._keys.get(key_id), None)
        named: dict[str, Any] = {
            "key_id": key_id,
            "bot_id": row.bot_id,
            "environment": row.environment,
            "label": row.label,
            "exchange": row.exchange,
        }
        await self._events.add(
            EventType.KEY_REPLACED, **named, version=version, status=row.verification_status
        )
        await add_health_events(self._events, KeyHealth.of(former), KeyHealth.of(row), **named)
        return row, request.adjusted

    async def _refuse_other_key(self, mark: bytes, key_id: UUID) -> None:
        """Refuse an API key that another key holds; the same API key with a new secret is
        accepted.
        """
        known = await self._keys.find(mark)
        if known not in {None, key_id}:
            raise KeyAlreadyAdded(known)

    async def _same_account(
        self,
        row: KeyRow,
        before: bytes | None,
        now: bytes | None,
        *,
        vouched: bool,
        confirmed: bool,
    ) -> bytes | None:
        """Return the hash of the exchange account to store.

        The account is proven to be the same by equal hashes, or `vouched` for by the same API key.
        Otherwise the caller must have `confirmed` it, what was known of the former account is
        forgotten, and no position may be open and no order rest, since they would be managed in the
        wrong account.
        """
        if before is not None and now is not None:
            if not hmac.compare_digest(before, now):
                raise OtherExchangeAccount
            return now
        if vouched:
            return now or before
        # Counted after the key's lock, which openings share: none can slip in between.
        held = await self._keys.locking_positions(row.id)
        if held:
            raise UnprovenHasPositions(held)
        orders = await self._keys.resting_orders(row.id)
        if orders:
            raise UnprovenHasOrders(orders)
        if not confirmed:
            raise SameAccountUnproven
        return now

    @staticmethod
    def _current(row: KeyRow | None, expected: Revisions | None) -> KeyRow:
        if row is None:
            raise NotFound
        require(row.revision, expected)
        return row


def _kept_doubts(
    row: KeyRow, verified: Verified, *, unverified: bool, same_key: bool
) -> dict[str, Any]:
    """Return the columns in which the former credentials' doubts outlive a check without an answer.

    An exchange that could not be reached verifies nothing, and the same API key can still withdraw
    if it could before.
    """
    withdraw = verified.report.permissions.withdraw
    doubts: dict[str, Any] = {}
    if verified.status != "verified" and unverified:
        doubts["unverified"] = True
    could = row.permission_withdraw == PermissionAnswer.YES
    if same_key and could and withdraw is PermissionAnswer.UNKNOWN:
        doubts["permission_withdraw"] = PermissionAnswer.YES
    return doubts


def _request(row: KeyRow, new: CredentialsReplace) -> KeyRequest:
    credentials, adjusted = read_credentials(_entered(new), EXCHANGES[row.exchange])
    return KeyRequest(
        label=row.label,
        exchange=row.exchange,
        environment=Environment(row.environment),
        region=row.region,
        contract_type=ContractType(row.contract_type),
        credentials=credentials,
        active=row.active,
        verify=new.verify_,
        adjusted=adjusted,
    )


def _entered(new: CredentialsReplace) -> CredentialsInput:
    """Return whole credentials; refuse an API key alone."""
    if new.api_secret is None:
        raise SecretMissing
    return CredentialsInput.model_construct(
        api_key=new.api_key,
        api_secret=new.api_secret,
        api_passphrase=new.api_passphrase,
        verify_=new.verify_,
    )
