"""What decides over requests and over messages: whose they are, and whether they are permitted."""

import secrets
from collections.abc import Iterable

from botkeys.client.errors import BotClientError
from botkeys.exchanges.model import Environment
from botkeys.signing_proxy.placeholder import Placeholder
from botkeys.signing_proxy.refusals import Refusal, RefusalCode
from botkeys.signing_proxy.rules import Intent, KeyHolder, PriceOf, RealCredentials, Rules


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
