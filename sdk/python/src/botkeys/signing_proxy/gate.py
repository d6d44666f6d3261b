"""What decides over requests and over messages: whose they are, and whether they are permitted."""

import secrets
from collections.abc import Iterable

from botkeys.client.errors import BotClientError
from botkeys.signing_proxy.placeholder import Placeholder
from botkeys.signing_proxy.refusals import Refusal, RefusalCode
from botkeys.signing_proxy.rules import Intent, KeyHolder, PriceOf, RealCredentials, Rules


class Gate:
    def __init__(
        self, holder: KeyHolder, placeholder: Placeholder, rules: Rules, price_of: PriceOf
    ) -> None:
        self._holder = holder
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
        try:
            return await self._holder.credentials()
        except BotClientError as error:
            text = f"There are no credentials to sign with: {error.code}."
        raise Refusal(RefusalCode.NO_CREDENTIALS, text)
