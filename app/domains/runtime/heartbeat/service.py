"""Keeps a bot online, records its key's health, and returns its configuration's version."""

from collections.abc import Callable, Sequence
from typing import Any

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.domains.bots.config_row_loader import ConfigRowLoader
from app.domains.bots.config_rows import ConfigRow
from app.domains.runtime.config.cache import ConfigCache
from app.domains.runtime.heartbeat.health_reports import HealthReports
from app.domains.runtime.heartbeat.schemas import CredentialsReport
from app.domains.runtime.heartbeat.writer import HeartbeatWriter


class HeartbeatService:
    """The heartbeats of one bot. Hot path: `beat` takes no session and no transaction of its own,
    and what a report needs is made by `reports` for the few heartbeats that bring one.
    """

    def __init__(
        self,
        *,
        heartbeat_writer: HeartbeatWriter,
        config_rows: ConfigRowLoader,
        config_cache: ConfigCache,
        reports: Callable[[], HealthReports],
        bot: BotPrincipal,
        rows: Sequence[ConfigRow],
    ) -> None:
        self._heartbeats = heartbeat_writer
        self._loader = config_rows
        self._config_cache = config_cache
        self._reports = reports
        self._bot = bot
        self._rows = rows

    async def beat(self) -> dict[str, Any]:
        """Store the heartbeat and return the members of `HeartbeatAnswer`."""
        account_id, bot_id = self._bot.account_id, self._bot.bot_id
        if not await self._heartbeats.beat(account_id, bot_id):
            raise Unauthenticated(TokenFault.REVOKED)
        rows = self._rows or await self._loader.read(account_id, bot_id)
        if not rows:
            raise Unauthenticated(TokenFault.REVOKED)
        config = self._config_cache.summary(rows)
        return {
            "config_version": config.version,
            "may_open_positions": config.may_open_positions,
            "next_in": self._heartbeats.pace.beat(),
        }

    async def report(self, report: CredentialsReport) -> None:
        """Record the report. Commit before `beat`, whose result reflects it."""
        self._rows = ()  # these rows do not reflect the report yet
        await self._reports().record(report)
