"""Releases a bot's credentials: checked and recorded first, then opened and sealed to the bot."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from app.api.shares import Share
from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.custody.errors import UnknownMasterKey
from app.custody.keyring import ReleasingKeyring
from app.db.base import new_id
from app.db.failures import CommitLost
from app.domains.audit.log import AuditLog
from app.domains.bot_events.event import RecordedEvent
from app.domains.bot_events.repository import BotEventRepository
from app.domains.bots.errors import NoKey
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.runtime.release.at_once import Ready, ReleaseBatches
from app.domains.runtime.release.errors import (
    CredentialsUnreadable,
    MasterKeyMissing,
    ReleaseLimited,
)
from app.domains.runtime.release.repository import WINDOW, Found, ReleaseRepository
from app.domains.runtime.release.schemas import ReleaseRequest
from app.errors import InvalidRequest, OutcomeUnknown
from botkeys import base64url
from botkeys.exchanges.model import Endpoints
from botkeys.exchanges.registry import EXCHANGES, Exchanges
from botkeys.sealing.binding import Binding
from botkeys.sealing.errors import CannotOpen, InvalidPublicKey
from botkeys.sealing.suites import PublicKey, SuiteName

_ATTEMPTS = 2
"""A release is linked once more if another process, or a user, recorded something meanwhile."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A release that is granted and recorded, but not made yet."""

    release_id: UUID
    binding: Binding
    bot_id: UUID
    recipient: PublicKey
    sealed: Found
    endpoints: Endpoints


class ReleaseService:
    """The releases of one bot. Call `grant`, commit, then call `fulfil`.

    `ready` is what was read with the bot's token; `noted` is called once a release is committed
    apart. Releases of one account take `turns`: each links its audit entry to the one before. Locks
    in the order bot, key, audit head.
    """

    def __init__(
        self,
        *,
        ready: Ready,
        batches: ReleaseBatches,
        noted: Callable[[], None],
        turns: Share,
        releases: ReleaseRepository,
        events: BotEventRepository,
        exchanges: Exchanges,
        keyring: ReleasingKeyring,
        audit: AuditLog,
        log: EventLog,
        released: Counter,
        bot: BotPrincipal,
        address: str,
        limit: int,
    ) -> None:
        self._ready = ready
        self._batches = batches
        self._noted = noted
        self._turns = turns
        self._releases = releases
        self._events = events
        self._exchanges = exchanges
        self._keyring = keyring
        self._audit = audit
        self._log = log
        self._released = released
        self._bot = bot
        self._address = address
        self._limit = limit

    async def grant(self, request: ReleaseRequest) -> Ticket:
        """Check key, assignment and limit, and record the release.

        An inactive key is released too: its bot has exits to manage.
        """
        recipient = _recipient(request)
        release_id = new_id()
        try:
            recorded = await self._record_in_turn(release_id, request.suite)
        except CommitLost:
            return await self._grant_after_loss(release_id, recipient)
        if recorded:
            return self._ticket(release_id, recipient, self._ready.found)
        return await self._grant(release_id, recipient)

    async def _record_in_turn(self, release_id: UUID, suite: str) -> bool:
        """Record it as `_record_at_once` does, after those of the account that came before."""
        account_id = self._bot.account_id
        stale = not self._turns.take_now(account_id)
        if stale:
            await self._turns.take(account_id)
        try:
            for _ in range(_ATTEMPTS):
                # The release before this one has moved the head.
                if stale and not await self._read_again():
                    return False
                recorded = await self._record_at_once(release_id, suite)
                if recorded is not False:
                    return bool(recorded)
                stale = True
            return False
        finally:
            self._turns.give_back(account_id)

    async def _read_again(self) -> bool:
        bot = self._bot
        ready = await self._batches.ready(
            bot.account_id, bot.bot_id, self._address, self._limit, WINDOW
        )
        self._ready = ready or self._ready
        return ready is not None

    async def _record_at_once(self, release_id: UUID, suite: str) -> bool | None:
        """Record a release of the usual kind; return `None` if it is of another kind, `False` if
        something has changed since it was read.
        """
        found, head = self._ready
        if found.key_id is None or found.waiting is not None or found.is_new_address:
            return None
        if head is None or found.exchange not in EXCHANGES:
            return None
        entry = self._audit.sealed(
            "key.release",
            head,
            target="key",
            target_id=found.key_id,
            environment=found.environment,
            release_id=str(release_id),
            version=found.version,
            suite=suite,
        )
        if entry is None:
            return None
        recorded = await self._batches.grant(
            **entry,
            bot=self._bot.bot_id,
            token_hash=self._bot.token_hash,
            key=found.key_id,
            version=found.version,
            previous=head.mac,
            release=release_id,
            suite=suite,
            others=self._limit - 1,
            window=WINDOW,
        )
        if recorded:
            self._noted()
        return recorded

    async def _grant_after_loss(self, release_id: UUID, recipient: PublicKey) -> Ticket:
        """Find out under the bot's lock whether the lost statement recorded the release.

        If it did not, it never will once another entry follows the head that it names. Without one
        it might still.
        """
        try:
            return await self._grant(release_id, recipient, lost=True)
        except Exception as error:
            raise OutcomeUnknown from error

    async def _grant(self, release_id: UUID, recipient: PublicKey, *, lost: bool = False) -> Ticket:
        """Grant a release of any kind, statement by statement."""
        if not await self._releases.lock_assignment():
            raise Unauthenticated(TokenFault.REVOKED)
        if lost and await self._releases.is_recorded(release_id):
            return self._ticket(release_id, recipient, self._ready.found)
        found = await self._releases.found(self._address, self._limit, WINDOW)
        # Minting takes the same lock, so a token revoked during the wait releases nothing.
        if found is None or found.token_hash != self._bot.token_hash:
            raise Unauthenticated(TokenFault.REVOKED)
        if found.key_id is None:
            raise NoKey
        if found.exchange not in EXCHANGES:
            raise CredentialsUnreadable
        if found.waiting is not None:
            raise ReleaseLimited(self._limit, math.ceil(found.waiting))
        if lost:
            release_id = new_id()
        if found.is_new_address:
            await self._report_new_address(found)
        head = await self._releases.add(
            release_id, found.key_id, found.version, recipient.suite, self._address
        )
        await self._audit.record(
            "key.release",
            head,
            target="key",
            target_id=found.key_id,
            environment=found.environment,
            release_id=str(release_id),
            version=found.version,
            suite=recipient.suite,
        )
        if found.is_new_address:
            await self._log.add(
                EventType.KEY_RELEASED_FROM_NEW_ADDRESS,
                key_id=found.key_id,
                bot_id=self._bot.bot_id,
                environment=found.environment,
                label=found.label,
                exchange=found.exchange,
                address=self._address,
            )
        return self._ticket(release_id, recipient, found)

    def _ticket(self, release_id: UUID, recipient: PublicKey, found: Found) -> Ticket:
        return Ticket(
            release_id=release_id,
            binding=Binding(
                self._bot.account_id,
                found.key_id,
                found.version,
                found.exchange,
                found.environment,
            ),
            bot_id=self._bot.bot_id,
            recipient=recipient,
            sealed=found,
            endpoints=self._exchanges.adapter(found.exchange).endpoints(
                found.environment, found.region, found.contract_type
            ),
        )

    def fulfil(self, ticket: Ticket) -> dict[str, Any]:
        """Seal the data key to the bot's key; return the members of `release.schemas.Release`.

        The ciphertext is sent as it is stored.
        """
        self._released.inc()
        binding, sealed = ticket.binding, ticket.sealed
        data_key = self._reseal(ticket, sealed.sealed_data_key, sealed.master_key_version, binding)
        return {
            "release_id": ticket.release_id,
            "account_id": binding.account_id,
            "bot_id": ticket.bot_id,
            "key_id": binding.key_id,
            "version": binding.version,
            "exchange": binding.exchange,
            "environment": binding.environment,
            "suite": ticket.recipient.suite,
            "sealed_data_key": data_key,
            "nonce": base64url.encode(sealed.nonce),
            "ciphertext": base64url.encode(sealed.ciphertext),
            "sealed_api_key": self._sealed_api_key(ticket),
            "endpoints": {
                "rest": ticket.endpoints.rest,
                "websocket": ticket.endpoints.websocket,
            },
        }

    def _sealed_api_key(self, ticket: Ticket) -> dict[str, Any] | None:
        """Return the API key of a key pair, sealed like the rest; `None` for other keys."""
        part = ticket.sealed
        if (
            part.part_ciphertext is None
            or part.part_nonce is None
            or part.part_sealed_data_key is None
            or part.part_master_key_version is None
        ):
            return None
        return {
            "sealed_data_key": self._reseal(
                ticket,
                part.part_sealed_data_key,
                part.part_master_key_version,
                ticket.binding.of_api_key(),
            ),
            "nonce": base64url.encode(part.part_nonce),
            "ciphertext": base64url.encode(part.part_ciphertext),
        }

    def _reseal(
        self, ticket: Ticket, sealed_data_key: bytes, master_key_version: int, binding: Binding
    ) -> str:
        try:
            resealed = self._keyring.releaser().release(
                sealed_data_key=sealed_data_key,
                master_key_version=master_key_version,
                binding=binding,
                bot_id=ticket.bot_id,
                recipient=ticket.recipient,
            )
        except UnknownMasterKey:
            raise MasterKeyMissing from None
        except CannotOpen:
            raise CredentialsUnreadable from None
        return base64url.encode(resealed)

    async def _report_new_address(self, found: Found) -> None:
        message = (
            "The credentials were released to an IP address that never fetched "
            "them before. If this is not your bot, replace its token and the key."
        )
        event = RecordedEvent(
            "release_from_new_address", "warning", message, {"address": self._address}
        )
        await self._events.add(
            event,
            key_id=found.key_id,
            exchange=found.exchange,
            environment=found.environment,
            contract_type=found.contract_type,
        )


def _recipient(request: ReleaseRequest) -> PublicKey:
    """Return the bot's one-time key, validated before anything is locked or counted."""
    raw = base64url.decode(request.public_key.rstrip("="))
    try:
        if raw is not None:
            return PublicKey(SuiteName.parse(request.suite), raw)
    except InvalidPublicKey:
        pass
    fault = {
        "loc": ["body", "public_key"],
        "type": "public_key_invalid",
        "msg": f"Not a public key of the suite {request.suite}; see docs/custody.md",
    }
    raise InvalidRequest([fault])
