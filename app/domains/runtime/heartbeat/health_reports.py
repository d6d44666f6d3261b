"""Records what a bot reports of its key, as the key's verification."""

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.domains.bot_events.repository import BotEventRepository
from app.domains.bots.token_repository import BotTokenRepository
from app.domains.catalogue.leverages import KeyLeverages
from app.domains.events.key_health import KeyHealth, add_health_events
from app.domains.events.log import EventLog
from app.domains.runtime.heartbeat.key_health import JUDGEMENT, clock_ahead, differences, events
from app.domains.runtime.heartbeat.key_health_repository import HealthRepository
from app.domains.runtime.heartbeat.schemas import CredentialsReport
from app.domains.trading.errors import TOLERANCE


class HealthReports:
    """The reports of one bot."""

    def __init__(
        self,
        *,
        health: HealthRepository,
        leverages: KeyLeverages,
        bot_events: BotEventRepository,
        log: EventLog,
        tokens: BotTokenRepository,
        bot: BotPrincipal,
    ) -> None:
        self._health = health
        self._leverages = leverages
        self._events = bot_events
        self._log = log
        self._tokens = tokens
        self._bot = bot

    async def record(self, report: CredentialsReport) -> None:
        """Make the report the key's verification.

        A report about other credentials than the key's current ones, or about another key than the
        bot's current one, changes nothing: the bot fetches the current ones once it learns of them.
        A report older than the bot's last one about these credentials changes nothing either. Of
        two reports within one second the later counts. A bot's clock may be slow, so its time is
        compared only with its own earlier times. A clock that is ahead costs the bot neither the
        heartbeat nor the report: the service's own time counts instead.
        """
        locked = await self._health.lock()
        # Minting takes the bot's lock, so a token revoked during the wait can report nothing.
        if (
            not locked
            or await self._tokens.token_hash(self._bot.account_id, self._bot.bot_id)
            != self._bot.token_hash
        ):
            raise Unauthenticated(TokenFault.REVOKED)
        key = await self._health.key()
        ahead = report.checked_at > key.now + TOLERANCE
        checked_at = key.now if ahead else report.checked_at
        if key.id is None or report.version != key.version or report.key_id not in {None, key.id}:
            return
        if key.health_checked_at is not None and checked_at < key.health_checked_at:
            return
        looked = {
            "health_checked_at": checked_at,
            "verification_checked_at": min(checked_at, key.now),
        }
        if report.status == "ok" and report.max_leverages is not None:
            stated = report.max_leverages
            maxima = {name: each.max_leverage for each in stated.groups for name in each.symbols}
            await self._leverages.learn(key.id, stated.contract_type, maxima)
        changed = differences(key, report)
        if changed:
            # A different expiry is announced again.
            reset = {"expiry_announced": None} if "expires_at" in changed else {}
            since = {"verification_since": key.now} if JUDGEMENT & changed.keys() else {}
            await self._health.change(key.id, **looked, **changed, **reset, **since)
        else:
            await self._health.looked_at(key.id, **looked)
        warnings = [clock_ahead(report)] if ahead else []
        for event in (*warnings, *events(key, changed)):
            await self._events.add(
                event,
                key_id=key.id,
                exchange=key.exchange,
                environment=key.environment,
                contract_type=key.contract_type,
            )
        if changed:
            before = KeyHealth.of(key)
            await add_health_events(
                self._log,
                before,
                before.with_columns(changed),
                key_id=key.id,
                bot_id=self._bot.bot_id,
                environment=key.environment,
                label=key.label,
                exchange=key.exchange,
            )
