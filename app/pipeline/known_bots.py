"""The bots whose tokens a process has compared with the database before, by the tokens' hashes.

It saves work: a token that is known need not be taken apart, which takes longer than its hash. It
does not say that the token is still valid. That is read for each request, or compared by the
endpoint under its locks, where `Access.confirms` says so.
"""

from collections import OrderedDict

from app.auth.principal import BotPrincipal

MOST = 20_000
"""Eight megabytes."""


class KnownBots:
    """The bots that called most recently. Neither tokens nor anything that opens them is kept."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._by_hash: OrderedDict[bytes, BotPrincipal] = OrderedDict()

    def get(self, token_hash: bytes) -> BotPrincipal | None:
        """Return the bot whose token had this keyed hash (`custody.bot_token`)."""
        found = self._by_hash.get(token_hash)
        if found is not None:
            self._by_hash.move_to_end(token_hash)
        return found

    def add(self, bot: BotPrincipal) -> None:
        self._by_hash[bot.token_hash] = bot
        if len(self._by_hash) > self._most:
            self._by_hash.popitem(last=False)

    def forget(self, bot: BotPrincipal) -> None:
        self._by_hash.pop(bot.token_hash, None)
