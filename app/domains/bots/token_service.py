"""Mints bot tokens. Only the role `runtime` has the key that makes a token valid."""

from uuid import UUID

from app.custody.bot_token import mint, token_hash
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.bots.repository import BotRepository
from app.domains.bots.token_repository import BotTokenRepository
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.errors import NotFound
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret


class BotTokenService:
    """The tokens of one account's bots. Locks in the order account, bot, audit head, event
    head.
    """

    def __init__(
        self,
        *,
        bots: BotRepository,
        tokens: BotTokenRepository,
        accounts: AccountRepository,
        audit: AuditLog,
        events: EventLog,
        hmac_key: SecretBytes,
    ) -> None:
        self._bots = bots
        self._tokens = tokens
        self._accounts = accounts
        self._audit = audit
        self._events = events
        self._hmac_key = hmac_key

    async def replace(self, bot_id: UUID) -> Secret:
        """Mint a new token for the bot; the previous one becomes invalid on commit."""
        account_id = await self._accounts.lock_shared()
        if not await self._bots.lock(bot_id):
            raise NotFound
        token = mint(account_id, bot_id)
        hashed = token_hash(bytes(self._hmac_key.reveal()), token)
        await self._tokens.replace(account_id, bot_id, hashed)
        await self._audit.record("bot.mint_token", target="bot", target_id=bot_id)
        await self._events.add(
            EventType.BOT_TOKEN_MINTED, bot_id=bot_id, name=await self._bots.name(bot_id)
        )
        return token
