"""The rules of positions: permission to open one, and facts about existing ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from app.api.pagination import Page
from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.domains.assets.rules import (
    leverage_settable,
    require_margin_mode,
    require_settable_leverage,
)
from app.domains.bot_events.event import RecordedEvent
from app.domains.bot_events.repository import BotEventRepository
from app.domains.bots.config_rows import ConfigRow
from app.domains.bots.errors import NoKey
from app.domains.bots.opening_rules import bot_blocked_by, row_blocked_by
from app.domains.events.log import EventLog
from app.domains.events.refusals import RefusalWindow
from app.domains.events.types import EventType
from app.domains.positions.changes import changes, in_time
from app.domains.positions.errors import OpeningRefused, PositionConflict, refused
from app.domains.positions.report_repository import Locked, Origin, PositionReportRepository
from app.domains.positions.rows import PositionRow
from app.domains.positions.schemas import PositionReport
from app.domains.positions.transitions import Effect, State, effect_of, state_of
from app.domains.positions.warnings import UNEXPECTED, of_effect, of_times
from app.domains.trading.errors import TOLERANCE, ClockAhead, DataDeleted, KeyNotAssigned
from app.domains.trading.marks import FOREVER, latest_cutoff
from app.domains.trading.symbols import is_foreign
from botkeys.exchanges.registry import EXCHANGES

GRACE = timedelta(seconds=60)
"""How long after a bot lost a key its positions may still turn out to be open and lock the key: a
reservation's length.
"""


class _Report(NamedTuple):
    """A report with everything that decides about it, read under locks."""

    position_id: str
    sent: PositionReport
    stored: PositionRow | None
    rows: Sequence[ConfigRow]
    refuse_withdrawal: bool
    now: datetime
    """The database's time, read after the locks."""
    ahead: Mapping[str, datetime] = MappingProxyType({})
    """The times that the bot sent and that were rejected."""

    @property
    def key_id(self) -> UUID | None:
        """Return the bot's current key."""
        return self.rows[0].key_id

    @property
    def asset(self) -> ConfigRow | None:
        """Return the current key's asset of the reported symbol."""
        wanted = self.sent.symbol
        return next((row for row in self.rows if row.symbol == wanted), None)

    @property
    def blocked_by(self) -> list[str]:
        """Return why the bot may not open this position, in the order of the contract."""
        asset = self.asset
        reasons = bot_blocked_by(self.rows, refuse_withdrawal=self.refuse_withdrawal)
        if asset is not None:
            leverage = self.sent.leverage or asset.leverage
            reasons += row_blocked_by(asset._replace(leverage=leverage))
        elif self.key_id is not None:
            reasons.append("unknown_asset")
        return reasons


class PositionReportService:
    """The positions of one bot.

    Locks in the order account, bot, key, asset, position, event head.
    """

    def __init__(
        self,
        *,
        positions: PositionReportRepository,
        events: BotEventRepository,
        log: EventLog,
        refusals: RefusalWindow,
        bot: BotPrincipal,
        refuse_withdrawal: bool,
    ) -> None:
        self._positions = positions
        self._events = events
        self._log = log
        self._refusals = refusals
        self._key: ConfigRow | None = None
        self._bot = bot
        self._refuse_withdrawal = refuse_withdrawal

    async def held(self, after: str | None, limit: int) -> Page[PositionRow, str]:
        """Return a page of what the bot holds, with any key that it has or had."""
        return await self._positions.held(after or "", limit)

    async def report(self, position_id: str, sent: PositionReport) -> PositionRow:
        """Apply the report to the position, and return the position as it is then stored."""
        if is_foreign(sent.symbol):
            symbol = await self._positions.own_symbol(position_id, sent.key_id, sent.symbol)
            sent = sent.model_copy(update={"symbol": symbol})
        row = None
        while row is None:
            report = await self._locked(position_id, sent)
            if report is not None:
                row = await self._apply(report)
        return row

    async def add_refusal(
        self, position_id: str, sent: PositionReport, why: OpeningRefused
    ) -> None:
        """Add the event that an opening was refused, in a transaction of its own, unless one that
        is like it was added shortly ago, or the bot is gone.
        """
        alike = (self._bot.bot_id, sent.symbol, sent.side, why.code)
        if self._key is None or not self._refusals.admit(alike):
            return
        try:
            if await self._positions.share_bot(position_id) is None:
                return
            await self._log.add(
                EventType.OPENING_REFUSED,
                bot_id=self._bot.bot_id,
                key_id=self._key.key_id,
                environment=self._key.environment,
                symbol=sent.symbol,
                side=sent.side,
                code=why.code,
                blocked_by=why.members["blocked_by"],
            )
        except BaseException:
            self._refusals.forget(alike)
            raise

    async def _locked(self, position_id: str, sent: PositionReport) -> _Report | None:
        """Return the report with what decides about it; `None` if others changed that before it
        was locked.
        """
        opening: Locked | None = None
        if sent.status == "opening":
            # Openings are many and rarely wait for anyone.
            opening = await self._positions.lock_all(position_id, sent.key_id, sent.symbol)
            if opening is None:
                raise Unauthenticated(TokenFault.REVOKED)
            keys, exists = opening.concerned, opening.exists
        else:
            keys = await self._share(position_id, sent)
            exists = await self._positions.lock(position_id)
        stored = await self._positions.get(position_id) if exists else None
        rows, now = await self._config_rows()
        # Another report may have been first, with a key that is not locked here.
        if stored is not None and stored.key_id not in keys:
            return None
        if opening is not None and not opening.holds(rows, sent.symbol):
            return None
        return _Report(position_id, sent, stored, rows, self._refuse_withdrawal, now)

    async def _share(self, position_id: str, sent: PositionReport) -> set[UUID]:
        """Lock what the report depends on against changes; return the keys it may concern."""
        keys = await self._positions.share_bot(position_id)
        if keys is None:
            raise Unauthenticated(TokenFault.REVOKED)
        if sent.key_id is not None:
            keys.add(sent.key_id)
        if sent.status != "closed":
            await self._positions.share_assets(keys, sent.symbol)
        return keys

    async def _config_rows(self) -> tuple[list[ConfigRow], datetime]:
        rows, now = await self._positions.config_rows()
        # Minting waits for the bot's lock, so a token revoked meanwhile can report nothing.
        if now is None or rows[0].token_hash != self._bot.token_hash:
            raise Unauthenticated(TokenFault.REVOKED)
        return rows, now

    async def _apply(self, report: _Report) -> PositionRow | None:
        """Apply the report; return the position, or `None` if another report of it came first."""
        report = await self._undeleted(_in_time(report))
        now, stored = report.now, report.stored
        state = state_of(stored)
        if stored is not None:
            _refuse_another(stored, report.sent)
            if _is_behind(stored, report.sent):
                return stored
        effect = effect_of(report.sent.status, state)
        if effect is Effect.ASK:
            await self._refuse_to_open(report)
        if effect is Effect.NOTHING:
            return stored
        new = changes(effect, stored, report.sent, now)
        if effect in {Effect.OPEN, Effect.REOPEN} and state is not State.OPEN:
            new |= await self._lock_of(report)
        if stored is None:
            row = await self._add(report, new)
        else:
            if effect is Effect.ASK and state is State.LAPSED:
                new = {**_taken_over(report), **new}
            row = await self._change(report, stored, new)
            if row is None:
                return stored._replace(**new, updated_at=now)
        if row is not None:
            await self._record_warnings(effect, state, report, row, new)
        return row

    async def _change(
        self, report: _Report, stored: PositionRow, new: dict[str, Any]
    ) -> PositionRow | None:
        """Return the changed position; `None` if it is deleted by the change.

        A deletion kept the position while it was held, and it turns out to have ended before the
        cut-off. If the bot does not state when it ended, it counts as ended at the cut-off.
        """
        if not new:
            return stored
        row = stored._replace(**new, updated_at=report.now, lapsed=False)
        change, name = self._positions.change, report.position_id
        cutoff = await change(name, **new, updated_at=report.now)
        if cutoff is None:
            return row
        if cutoff == FOREVER or _trusted_time(report, "closed_at") is not None:
            await self._positions.remove(name)
            return None
        await change(name, closed_at=cutoff)
        return row._replace(closed_at=cutoff)

    async def _undeleted(self, report: _Report) -> _Report:
        """Return the report unless it concerns deleted data. Raises `DataDeleted`.

        A report restores and shows nothing that was deleted, neither a row that is being purged nor
        one that is gone. Held positions were never deleted. An opening is a new request, for which
        a deleted position of its id counts as absent.
        """
        sent, stored = report.sent, report.stored
        asks = sent.status == "opening"
        if state_of(stored) in {State.OPEN, State.RESERVED} or (asks and stored is None):
            return report
        key_id = stored.key_id if stored else sent.key_id or report.key_id
        marks, purged_at = await self._positions.deleted(report.position_id, key_id)
        if stored is None and purged_at is not None and not _began_after(purged_at, report):
            raise DataDeleted
        end = latest_cutoff(marks, *await self._scope(report)) if marks else None
        if end is None:
            return report
        if stored is None:
            return _first_report(report, end)
        if stored.happened >= end:
            return report
        if not asks:
            raise DataDeleted
        await self._positions.remove(report.position_id)
        return report._replace(stored=None)

    async def _refuse_to_open(self, report: _Report) -> None:
        """Refuse an opening that is not permitted.

        An opening, also one of a lapsed reservation, must be for the bot's current key, and may
        request only what the exchange offers.
        """
        first, stored = report.rows[0], report.stored
        if first.key_id is not None:
            named = {report.sent.key_id or first.key_id, stored.key_id if stored else first.key_id}
            if named != {first.key_id}:
                raise KeyNotAssigned
            if stored is not None and stored.contract_type != first.contract_type:
                raise PositionConflict(stored.symbol, stored.side)
            await self._require_offered(first, report)
        if reasons := report.blocked_by:
            self._key = first
            raise refused(reasons)

    async def _require_offered(self, of_key: ConfigRow, report: _Report) -> None:
        """Raise `LeverageNotSettable` or `MarginModeNotSupported`. The asset's own mode is always
        valid.
        """
        sent, asset = report.sent, report.asset
        usual = None if asset is None else asset.margin_mode
        if sent.leverage is not None:
            require_settable_leverage(of_key.exchange, sent.margin_mode or usual)
        if sent.margin_mode in (None, usual):
            return
        profile = EXCHANGES[of_key.exchange]
        if usual is not None and profile.shares_margin_mode:
            require_margin_mode(sent.margin_mode, (usual,))
        offered = await self._positions.margin_modes(of_key, sent.symbol)
        require_margin_mode(sent.margin_mode, offered or profile.margin_modes)

    async def _lock_of(self, report: _Report) -> dict[str, bool]:
        """Return whether the position that is now open locks its key.

        It does if the bot has the key, or lost it so shortly ago that the position may have been
        opened before. Later, a bot that lost the key must not stand in the way of the next one.
        """
        stored, locks = report.stored, True
        key_id = stored.key_id if stored is not None else report.sent.key_id or report.key_id
        if key_id is not None and key_id != report.key_id:
            lost_at = await self._positions.key_lost_at(key_id)
            locks = lost_at is not None and report.now <= lost_at + GRACE
        return {} if stored is not None and stored.locks_key is locks else {"locks_key": locks}

    async def _scope(self, report: _Report) -> tuple[str | None, UUID | None]:
        """Return environment and key of the position; only the key if nothing is known about it."""
        if report.stored is not None:
            return report.stored.environment, report.stored.key_id
        named = report.sent.key_id
        if named in (None, report.key_id):
            return report.rows[0].environment, report.key_id
        former = await self._positions.former_key(named, report.sent.symbol)
        return None if former is None else former.environment, named

    async def _add(self, report: _Report, new: dict[str, Any]) -> PositionRow | None:
        sent, origin = report.sent, await self._origin(report)
        if sent.status != "opening" and (report.asset is None or origin.key_id != report.key_id):
            contract_type = await self._positions.contract_type(origin, sent.symbol)
            origin = origin._replace(contract_type=contract_type)
        columns = {
            "locks_key": True,
            **origin._asdict(),
            **new,
            "symbol": sent.symbol,
            "side": sent.side,
        }
        return await self._positions.add(report.position_id, **columns)

    async def _origin(self, report: _Report) -> Origin:
        """Return the key that a first report concerns: the one it names, or the current one."""
        first = report.rows[0]
        if report.sent.key_id not in (None, first.key_id):
            origin = await self._positions.former_key(report.sent.key_id, report.sent.symbol)
            if origin is None:
                raise KeyNotAssigned
            mode = report.sent.margin_mode or origin.margin_mode
            settable = leverage_settable(origin.exchange, mode)
            return origin if settable else origin._replace(leverage=None)
        if first.key_id is None:
            raise NoKey
        return Origin(
            first.key_id,
            first.exchange,
            first.environment,
            first.contract_type,
            **_taken_over(report),
        )

    async def _record_warnings(
        self, effect: Effect, state: State, report: _Report, row: PositionRow, new: dict[str, Any]
    ) -> None:
        """Record events about what should not have happened."""
        reasons: list[str] = []
        if effect is Effect.OPEN:
            swapped = report.key_id is not None and report.key_id != row.key_id
            reasons = [KeyNotAssigned.code] if swapped else report.blocked_by
        events = of_effect(effect, state, row, reasons)
        if new and effect is not Effect.ASK:
            events += of_times(row, new, report.ahead)
        for event in events:
            await self._events.add(
                event,
                key_id=row.key_id,
                exchange=row.exchange,
                environment=row.environment,
                contract_type=row.contract_type,
            )
        await self._add_events(effect, state, row, events)

    async def _add_events(
        self, effect: Effect, state: State, row: PositionRow, warnings: Sequence[RecordedEvent]
    ) -> None:
        """Add the events of a position that was opened, closed, or that nobody expected."""
        of_position: dict[str, Any] = {
            "key_id": row.key_id,
            "bot_id": self._bot.bot_id,
            "environment": row.environment,
            "position_id": row.id,
            "symbol": row.symbol,
            "side": row.side,
        }
        if effect in {Effect.OPEN, Effect.REOPEN} and state is not State.OPEN:
            await self._log.add(EventType.POSITION_OPENED, **of_position)
        elif effect is Effect.CLOSE:
            reason = row.close_reason
            await self._log.add(EventType.POSITION_CLOSED, **of_position, reason=reason)
        for warning in warnings:
            if warning.kind in UNEXPECTED:
                await self._log.add(
                    EventType.POSITION_UNEXPECTED,
                    **of_position,
                    kind=warning.kind,
                    reasons=warning.data.get("blocked_by"),
                )


def _in_time(report: _Report) -> _Report:
    """Accept facts whatever the bot's clock says, but no openings: those raise `ClockAhead`."""
    sent, now = report.sent, report.now
    times = {"opened_at": sent.opened_at, "closed_at": sent.closed_at}
    ahead = {name: at for name, at in times.items() if at is not None and at > now + TOLERANCE}
    if not ahead:
        return report
    if sent.status == "opening":
        raise ClockAhead(now)
    return report._replace(sent=in_time(sent, ahead, report.stored, now), ahead=ahead)


def _began_after(purged_at: datetime, report: _Report) -> bool:
    """Return whether the report concerns another position than the purged one of the same id.

    When a position ended does not decide: the deleted one may have ended later than was known.
    """
    opened_at = _trusted_time(report, "opened_at")
    return opened_at is not None and opened_at > purged_at


def _first_report(report: _Report, end: datetime) -> _Report:
    """Return the first report of a position, for a key whose data are deleted up to `end`.

    An open position is accepted, as a deletion would have kept it. A closed one is accepted if it
    ended later, which is assumed if its bot does not state when.
    """
    sent = report.sent
    if end == FOREVER:
        raise DataDeleted
    if sent.status == "open":
        return report
    at = _trusted_time(report, "opened_at" if sent.closed_at is None else "closed_at")
    if at is not None and at < end:
        raise DataDeleted
    if _trusted_time(report, "closed_at") is None and report.now < end:
        return report._replace(sent=sent.model_copy(update={"closed_at": end}))
    return report


def _trusted_time(report: _Report, name: str) -> datetime | None:
    """Return a time that the bot sent, or `None` if its clock is wrong."""
    at: datetime | None = None if name in report.ahead else getattr(report.sent, name)
    return at


def _refuse_another(stored: PositionRow, sent: PositionReport) -> None:
    if (stored.symbol, stored.side) != (sent.symbol, sent.side):
        raise PositionConflict(stored.symbol, stored.side)


def _is_behind(stored: PositionRow, sent: PositionReport) -> bool:
    """Return whether the report is older than the stored state, or than the closing by hand.

    The `open` of the same revision came before the closing by hand.
    """
    if sent.revision is None or stored.revision is None:
        return False
    if sent.status == "open" and state_of(stored) is State.BY_HAND:
        return sent.revision <= stored.revision
    return sent.revision < stored.revision


def _taken_over(report: _Report) -> dict[str, Any]:
    """Return what a position takes over from its asset unless the bot states otherwise."""
    asset = report.asset
    if asset is None:
        return {"leverage": None, "margin_mode": None}
    settable = leverage_settable(asset.exchange, report.sent.margin_mode or asset.margin_mode)
    return {
        "leverage": asset.leverage if settable else None,
        "margin_mode": asset.margin_mode,
    }
