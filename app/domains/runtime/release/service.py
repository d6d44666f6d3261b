"""Releases a bot's credentials: checked and recorded first, then opened and sealed to the bot."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.custody.errors import UnknownMasterKey
from app.custody.keyring import ReleasingKeyring
from app.db.base import new_id
from app.domains.audit.log import AuditLog
from app.domains.bot_events.event import RecordedEvent
from app.domains.bot_events.repository import BotEventRepository
from app.domains.bots.errors import NoKey
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.runtime.release.errors import (
    CredentialsUnreadable,
    MasterKeyMissing,
    ReleaseLimited,
)
from app.domains.runtime.release.repository import Found, ReleaseRepository
from app.domains.runtime.release.schemas import ReleaseRequest
from app.errors import InvalidRequest
from botkeys import base64url
from botkeys.exchanges.model import Endpoints
from botkeys.exchanges.registry import EXCHANGES, Exchanges
from botkeys.sealing.binding import Binding
from botkeys.sealing.errors import CannotOpen, InvalidPublicKey
from botkeys.sealing.suites import PublicKey, SuiteName

WINDOW = timedelta(hours=1)


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

    Locks in the order bot, key, audit head.
    """

    def __init__(
        self,
        *,
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
        if not await self._releases.lock_assignment():
            raise Unauthenticated(TokenFault.REVOKED)
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
        release_id = new_id()
        if found.is_new_address:
            await self._report_new_address(found)
        head = await self._releases.add(
            release_id, found.key_id, found.version, request.suite, self._address
        )
        await self._audit.record(
            "key.release",
            head,
            target="key",
            target_id=found.key_id,
            environment=found.environment,
            release_id=str(release_id),
            version=found.version,
            suite=request.suite,
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
