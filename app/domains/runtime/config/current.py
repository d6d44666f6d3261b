"""The configuration of a calling bot, of which most calls need no more than the version."""

from collections.abc import Sequence

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.domains.bots.config_row_loader import ConfigRowLoader
from app.domains.bots.config_rows import ConfigGlance, ConfigRow
from app.domains.runtime.config.cache import ConfigCache, Configuration, Summary


class CurrentConfiguration:
    """The configuration of one bot. Rows are read if the process does not know what the glance
    stands for: they are then as new as the glance, or newer.
    """

    __slots__ = ("_bot", "_cache", "_glance", "_loader")

    def __init__(
        self,
        cache: ConfigCache,
        loader: ConfigRowLoader,
        bot: BotPrincipal,
        glance: ConfigGlance | None,
    ) -> None:
        self._cache = cache
        self._loader = loader
        self._bot = bot
        self._glance = glance

    def outdate(self) -> None:
        """Glance again before the next answer: something was changed since."""
        self._glance = None

    async def summary(self) -> Summary:
        """Return what the configuration comes to. Raises `Unauthenticated` if the bot is gone."""
        known = self._cache.known(await self._current())
        return known or self._cache.summary(await self._rows())

    async def whole(self) -> Configuration:
        """Return the whole configuration, which may be newer than the summary. Raises as `summary`
        does.
        """
        known = self._cache.known_whole(await self._current())
        return known or self._cache.of(await self._rows())

    async def _current(self) -> ConfigGlance:
        if self._glance is None:
            self._glance = await self._loader.glance(self._bot.account_id, self._bot.bot_id)
            if self._glance is None:
                raise Unauthenticated(TokenFault.REVOKED)
        return self._glance

    async def _rows(self) -> Sequence[ConfigRow]:
        rows = await self._loader.read(self._bot.account_id, self._bot.bot_id)
        if not rows:
            raise Unauthenticated(TokenFault.REVOKED)
        return rows
