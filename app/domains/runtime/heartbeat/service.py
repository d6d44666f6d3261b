"""Keeps a bot online, records its key's health, and returns its configuration's version."""

from collections.abc import Callable
from typing import Any

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.domains.runtime.config.current import CurrentConfiguration
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
        config: CurrentConfiguration,
        reports: Callable[[], HealthReports],
        bot: BotPrincipal,
    ) -> None:
        self._heartbeats = heartbeat_writer
        self._config = config
        self._reports = reports
        self._bot = bot

    async def beat(self) -> dict[str, Any]:
        """Store the heartbeat and return the members of `HeartbeatAnswer`."""
        account_id, bot_id = self._bot.account_id, self._bot.bot_id
        if not await self._heartbeats.beat(account_id, bot_id):
            raise Unauthenticated(TokenFault.REVOKED)
        config = await self._config.summary()
        return {
            "config_version": config.version,
            "may_open_positions": config.may_open_positions,
            "next_in": self._heartbeats.pace.beat(),
        }

    async def report(self, report: CredentialsReport) -> None:
        """Record the report. Commit before `beat`, whose result reflects it."""
        self._config.outdate()  # it does not reflect the report yet
        await self._reports().record(report)
