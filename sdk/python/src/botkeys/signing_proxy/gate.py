"""What decides over requests and over messages: whose they are, and whether they are permitted."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence

from botkeys.client.errors import BotClientError
from botkeys.exchanges.model import Environment
from botkeys.signing_proxy.placeholder import Placeholder
from botkeys.signing_proxy.refusals import Refusal, RefusalCode
from botkeys.signing_proxy.rules import Intent, KeyHolder, PriceOf, RealCredentials, Rules

Session = bytes
"""What tells sessions of different keys apart: no part of a key."""


def session_of(credentials: RealCredentials) -> Session:
    """Return the session of a login with these credentials."""
    return hashlib.sha256(credentials.api_key.reveal().encode()).digest()


class Gate:
    """The decisions of one proxy, which is for one exchange's environment."""

    def __init__(
        self,
        holder: KeyHolder,
        placeholder: Placeholder,
        rules: Rules,
        price_of: PriceOf,
        *,
        exchange: str,
        environment: Environment,
    ) -> None:
        self._holder = holder
        self._destination = (exchange, environment)
        self._placeholder = placeholder
        self._rules = rules
        self._price_of = price_of

    def check_key(self, claimed: str) -> None:
        """Raise `Refusal` unless it is the placeholder's."""
        if not secrets.compare_digest(claimed.encode(), self._placeholder.api_key.encode()):
            raise Refusal(RefusalCode.FOREIGN_CREDENTIALS, "This is not the bot's API key.")

    async def admit(self, intents: Iterable[Intent]) -> None:
        """Raise `Refusal` unless every intent is permitted."""
        await self._rules.admit(intents, self._price_of)

    async def admit_in_session(self, intents: Sequence[Intent], session: Session) -> None:
        """Raise `Refusal` unless every intent is permitted, and the session's key still the bot's.

        The exchange takes a session's orders for the account that logged in, whatever key the bot
        has by now. What can only reduce a position is permitted there too.
        """
        if intents and session_of(await self.credentials()) != session:
            text = "The bot's key has changed since this login: log in again."
            raise Refusal(RefusalCode.NOT_AUTHENTICATED, text)
        await self.admit(intents)

    async def credentials(self) -> RealCredentials:
        """Return what to sign with. Raises `Refusal` if there is nothing, or a key for elsewhere.

        A bot may get another key while the proxy runs; no exchange is sent the key of another.
        """
        try:
            held = await self._holder.credentials()
        except BotClientError as error:
            text = f"There are no credentials to sign with: {error.code}."
        else:
            if (held.exchange, held.environment) == self._destination:
                return held
            text = f"The bot's key is now one of {held.exchange} {held.environment}: start again."
        raise Refusal(RefusalCode.NO_CREDENTIALS, text)
