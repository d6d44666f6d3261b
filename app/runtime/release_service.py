"""Releases a bot's credentials: checked and recorded first, opened and sealed anew after that."""

import base64
import binascii
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.audit.log import AuditLog
from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.bots.errors import NoKey
from app.bots.token_repository import BotTokenRepository
from app.db.base import new_id
from app.errors import InvalidRequest
from app.exchanges.model import Endpoints
from app.exchanges.registry import EXCHANGES, Exchanges
from app.runtime.errors import CredentialsUnreadable, MasterKeyMissing, ReleaseLimited
from app.runtime.repository import RuntimeRepository
from app.runtime.schemas import ReleaseRequest
from app.vault.binding import Binding
from app.vault.errors import CannotOpen, InvalidPublicKey, UnknownMasterKey
from app.vault.keyring import ReleasingKeyring
from app.vault.suites import PublicKey, SuiteName

WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A release that is granted and recorded, and not yet made."""

    release_id: UUID
    binding: Binding
    bot_id: UUID
    suite: str
    public_key: bytes
    sealed: Any
    endpoints: Endpoints


class ReleaseService:
    """For one bot. `grant`, then a commit at the edge, then `fulfil`."""

    def __init__(
        self,
        runtime: RuntimeRepository,
        tokens: BotTokenRepository,
        exchanges: Exchanges,
        keyring: ReleasingKeyring,
        audit: AuditLog,
        *,
        bot: BotPrincipal,
        limit: int,
    ) -> None:
        self._runtime = runtime
        self._tokens = tokens
        self._exchanges = exchanges
        self._keyring = keyring
        self._audit = audit
        self._bot = bot
        self._limit = limit

    async def grant(self, request: ReleaseRequest, address: str) -> Ticket:
        """Check key, assignment and limit, and record the release.

        An inactive key is released all the same: its bot has exits to manage.
        """
        public_key = _public_key(request)
        # Minting takes the same lock: a token that died while this waited releases nothing.
        locked = await self._runtime.lock_assignment()
        if (
            not locked
            or await self._tokens.token_hash(self._bot.account_id, self._bot.bot_id)
            != self._bot.token_hash
        ):
            raise Unauthenticated(TokenFault.REVOKED)
        sealed = await self._runtime.sealed()
        if sealed is None:
            raise NoKey
        if sealed.exchange not in EXCHANGES:
            raise CredentialsUnreadable
        waiting = await self._runtime.seconds_until_release(self._limit, WINDOW)
        if waiting is not None:
            raise ReleaseLimited(self._limit, math.ceil(waiting))
        release_id = new_id()
        if await self._runtime.is_new_address(sealed.key_id, address):
            await self._tell_new_address(sealed, address)
        await self._runtime.add_release(
            release_id, sealed.key_id, sealed.version, request.suite, address
        )
        await self._audit.record(
            "key.release",
            target="key",
            target_id=sealed.key_id,
            environment=sealed.environment,
            release_id=str(release_id),
            version=sealed.version,
            suite=request.suite,
        )
        return Ticket(
            release_id=release_id,
            binding=Binding(
                self._bot.account_id,
                sealed.key_id,
                sealed.version,
                sealed.exchange,
                sealed.environment,
            ),
            bot_id=self._bot.bot_id,
            suite=request.suite,
            public_key=public_key,
            sealed=sealed,
            endpoints=self._exchanges.adapter(sealed.exchange).endpoints(
                sealed.environment, sealed.region, sealed.contract_type
            ),
        )

    def fulfil(self, ticket: Ticket) -> dict[str, Any]:
        """Seal the data key to the bot's key; the members of `app.runtime.schemas.Release`.

        The ciphertext travels as it is stored.
        """
        try:
            sealed_data_key = self._keyring.releaser().release(
                sealed_data_key=ticket.sealed.sealed_data_key,
                master_key_version=ticket.sealed.master_key_version,
                binding=ticket.binding,
                bot_id=ticket.bot_id,
                suite=ticket.suite,
                public_key=ticket.public_key,
            )
        except UnknownMasterKey:
            raise MasterKeyMissing from None
        except CannotOpen:
            raise CredentialsUnreadable from None
        binding = ticket.binding
        return {
            "release_id": ticket.release_id,
            "account_id": binding.account_id,
            "bot_id": ticket.bot_id,
            "key_id": binding.key_id,
            "version": binding.version,
            "exchange": binding.exchange,
            "environment": binding.environment,
            "suite": ticket.suite,
            "sealed_data_key": _base64url(sealed_data_key),
            "nonce": _base64url(ticket.sealed.nonce),
            "ciphertext": _base64url(ticket.sealed.ciphertext),
            "endpoints": {
                "rest": ticket.endpoints.rest,
                "websocket": ticket.endpoints.websocket,
            },
        }

    async def _tell_new_address(self, sealed: Any, address: str) -> None:
        await self._runtime.add_event(
            new_id(),
            key_id=sealed.key_id,
            exchange=sealed.exchange,
            environment=sealed.environment,
            contract_type=sealed.contract_type,
            kind="release_from_new_address",
            level="warning",
            message="The credentials were released to an address that never had them before. "
            "If this is not your bot, replace its token and the key.",
            data={"address": address},
        )


def _public_key(request: ReleaseRequest) -> bytes:
    """The bot's one-time key as bytes, checked before anything is locked or counted."""
    try:
        text = request.public_key.rstrip("=")
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        PublicKey(SuiteName.parse(request.suite), raw)
    except (binascii.Error, InvalidPublicKey):
        fault = {
            "loc": ["body", "public_key"],
            "type": "public_key_invalid",
            "msg": f"Not a public key of the suite {request.suite}; see docs/custody.md",
        }
        raise InvalidRequest([fault]) from None
    return raw


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
