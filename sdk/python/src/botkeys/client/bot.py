"""A bot's connection to the service."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import NoReturn, Self, final
from uuid import UUID, uuid4

from botkeys.client.config_feed import ConfigFeed
from botkeys.client.connection import Connection
from botkeys.client.credentials import ReleasedCredentials
from botkeys.client.errors import BotClientError, NotReserved, Refused, ReportsPending
from botkeys.client.health import (
    Clock,
    CredentialCheck,
    CredentialHealth,
    HealthCheck,
    exchange_check,
)
from botkeys.client.heartbeat import HeartbeatSender
from botkeys.client.journal import Journal, MemoryOnly
from botkeys.client.keyring import Keyring
from botkeys.client.models import BotConfig, Heartbeat, Position
from botkeys.client.order_reporter import OrderReporter
from botkeys.client.outbox_file import OutboxFile
from botkeys.client.position_outbox import PositionOutbox, RevisionCounter, put_position
from botkeys.client.record_queue import RecordQueue
from botkeys.client.recorder import Recorder
from botkeys.client.stream import ConfigStream
from botkeys.client.timing import Pace
from botkeys.client.token import parse_token
from botkeys.exchanges.model import Environment
from botkeys.sealing.secret import Secret
from botkeys.sealing.suites import SuiteName
from botkeys.transport.client import HttpTransport

_CLOSING_SECONDS = 5.0
_logger = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@final
class BotClient(Recorder):
    """The client of one bot: credentials, configuration, positions and records.

    Use it in `async with`:

        async with BotClient("https://botkeys.example", token, key_id=…, exchange="okx",
                             environment="testnet") as client, client.running():
            credentials = await client.credentials()
            async for config in client.changes():
                …

    `key_id`, `exchange` and `environment` are what the bot expects: an answer for anything else is
    refused. Without them the client accepts whatever key the service sends. `minimum_version` (with
    `key_id`) refuses credentials that were replaced before the bot last stopped. The caller's own
    `transport` is left open. `pace` sets the intervals, `check` replaces the call to the exchange,
    `clock` the current time. `outbox` names a file of this bot alone: what is reported is written
    there too, and what an earlier process could not deliver is delivered by this one; raises
    OutboxUnusable. Methods raise BotClientError and nothing else; the constructor raises
    ValueError for arguments that cannot be right.

    Once the service refuses the token, the credentials in memory are dropped, and every waiting
    call raises NotAuthenticated.
    """

    def __init__(
        self,
        base_url: str,
        token: str | Secret,
        *,
        key_id: UUID | str | None = None,
        exchange: str | None = None,
        environment: Environment | str | None = None,
        minimum_version: int = 1,
        suite: SuiteName | str = SuiteName.MLKEM768_X25519,
        transport: HttpTransport | None = None,
        allow_insecure_http: bool = False,
        pace: Pace | None = None,
        check: CredentialCheck | None = None,
        clock: Clock = _utc_now,
        outbox: str | os.PathLike[str] | None = None,
    ) -> None:
        if minimum_version > 1 and key_id is None:
            raise ValueError("minimum_version applies to one key: pass key_id too")
        token = token if isinstance(token, Secret) else Secret(token)
        pace = pace or Pace()
        self._connection = connection = Connection(
            base_url, token, transport, allow_insecure_http=allow_insecure_http
        )
        self._ids = parse_token(token)
        self._key_id = None if key_id is None else UUID(str(key_id))
        self._keyring = Keyring(
            connection,
            self._ids,
            SuiteName.parse(suite),
            key_id=self._key_id,
            exchange=exchange,
            environment=None if environment is None else Environment(environment),
            minimum_version=minimum_version,
        )
        self._feed = ConfigFeed(connection, self._keyring.drop_outdated)
        self._stream = ConfigStream(connection, self._feed, pace)
        self._heartbeats = HeartbeatSender(connection, self._feed, pace)
        self._health = HealthCheck(
            self._keyring,
            self._feed,
            pace,
            check=check or exchange_check(lambda: connection.transport),
            clock=clock,
            report=self._report_health,
        )
        self._journal: Journal = MemoryOnly() if outbox is None else OutboxFile(outbox, self._ids)
        super().__init__(RecordQueue(connection, pace, self._journal), clock, self._current_key)
        self._revisions = RevisionCounter(clock)
        self._orders = OrderReporter(connection, pace)
        self._positions = PositionOutbox(connection, pace, self._revisions, self._journal)
        connection.on_revoked = self._drop_everything

    @property
    def account_id(self) -> UUID:
        return self._ids.account_id

    @property
    def bot_id(self) -> UUID:
        return self._ids.bot_id

    async def credentials(self, *, fresh: bool = False) -> ReleasedCredentials:
        """Return the credentials in memory; fetch them if there are none, or if `fresh`.

        Each fetch uses a new key pair, is recorded, and counts towards the bot's limit of releases.
        It drops the credentials of an earlier fetch.
        """
        return await self._keyring.credentials(fresh=fresh)

    async def config(self) -> BotConfig:
        """Fetch the configuration now; drop credentials of a key that the bot no longer has."""
        return await self._feed.read()

    @property
    def newest_config(self) -> BotConfig | None:
        """The newest configuration known; reading it calls nobody."""
        return self._feed.newest

    @property
    def config_age(self) -> float | None:
        """Seconds since the service last confirmed `newest_config`; `None` if none is known."""
        return self._feed.age

    def changes(self) -> AsyncIterator[BotConfig]:
        """Yield the configuration, then each change of it; a slow caller skips to the newest.

        Without `running`, only `config` finds changes.
        """
        return self._feed.changes()

    async def heartbeat(self, report: CredentialHealth | None = None) -> Heartbeat:
        """Send one heartbeat: the bot counts as online for one more lease period.

        `report` goes with it, or with a later one.
        """
        if report is not None:
            self._heartbeats.report = report
        return await self._heartbeats.send()

    async def run(self) -> NoReturn:
        """Send heartbeats, follow the configuration, check the credentials, deliver reports.

        Runs until cancelled, through outages. Raises NotAuthenticated once the token is refused.
        """
        ended: BotClientError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for part in (
                    self._heartbeats,
                    self._stream,
                    self._health,
                    self._positions,
                    self._orders,
                    self._records,
                    self._journal,
                ):
                    group.create_task(part.run())
                group.create_task(self._until_revoked())
        except* BotClientError as errors:
            ended = next(error for error in errors.exceptions if isinstance(error, BotClientError))
        raise ended or AssertionError("an endless task ended")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Self]:
        """Run `run` beside the block. If it fails, the block is cancelled and its error raised."""
        block = asyncio.current_task()
        assert block is not None  # noqa: S101  # for the type checker: a coroutine runs in a task
        others, ended = block.cancelling(), False

        def end_block(_: object) -> None:
            nonlocal ended
            ended = True
            block.cancel()

        running = asyncio.create_task(self.run())
        running.add_done_callback(end_block)
        try:
            yield self
        except asyncio.CancelledError:
            if not ended or block.cancelling() > others + 1:
                raise
        finally:
            running.remove_done_callback(end_block)
            if ended:
                block.uncancel()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if ended:
            await running

    async def positions(self) -> list[Position]:
        """Return what the bot holds: its open positions, and those that are `opening`.

        For a bot that was restarted: it goes on with these positions, whose later reports get
        higher revisions than those that an earlier process sent. What this client has reported and
        not delivered yet counts. A reservation that lapsed is not held; whether its order was
        filled, only the exchange knows. Calls the service, and raises Unreachable in an outage.
        """
        return await self._positions.held()

    async def open_position(
        self,
        symbol: str,
        side: str,
        quantity: Decimal,
        *,
        position_id: str | None = None,
        leverage: Decimal | None = None,
        margin_mode: str | None = None,
    ) -> Position:
        """Ask for permission to send the order; valid for 60 s, until `expires_at` (see `renew`).

        Raises MayNotOpen with all `reasons`, and NotReserved if the order may not be sent for
        another cause: send it only after this returned. Leverage and margin mode default to the
        asset's.
        """
        opening = Position(
            id=position_id or str(uuid4()),
            symbol=symbol,
            side=side,
            status="opening",
            quantity=quantity,
            leverage=leverage,
            margin_mode=margin_mode,
        )
        try:
            return await self.renew(opening)
        except Refused:
            if position_id is None:  # nobody can name it again
                self._revisions.forget(opening.id)
            raise

    async def renew(self, position: Position) -> Position:
        """Ask again for a position that is `opening`, as for a resting order.

        Raises the same errors as `open_position`.
        """
        revision = self._revisions.next(position.id)
        stored = await put_position(self._connection, position, revision)
        if stored.revision is not None and stored.revision > revision:
            # The clock was set back since: the service took this for an old report.
            self._revisions.raise_to(position.id, stored.revision)
            revision = self._revisions.next(position.id)
            stored = await put_position(self._connection, position, revision)
        until = stored.expires_at if stored.status == "opening" else None
        if until is None or until <= self._clock():
            raise NotReserved(stored.id, stored.status)
        return stored

    def opened(
        self,
        position: Position,
        *,
        entry_price: Decimal,
        quantity: Decimal | None = None,
        fees: Decimal | None = None,
    ) -> Position:
        """Report that the position is open, permitted or not; return its new state.

        `running` and `flush` deliver reports one after the other, through outages. Raises
        TooManyReports.
        """
        return self.report(
            position.model_copy(
                update={
                    "status": "open",
                    "entry_price": entry_price,
                    "quantity": position.quantity if quantity is None else quantity,
                    "fees": position.fees if fees is None else fees,
                    "opened_at": position.opened_at or self._clock(),
                }
            )
        )

    def close_position(
        self, position: Position, *, exit_price: Decimal | None, fees: Decimal | None = None
    ) -> Position:
        """Report that the exchange has closed it. `exit_price=None`: it was never opened."""
        return self.report(
            position.model_copy(
                update={
                    "status": "closed",
                    "exit_price": exit_price,
                    "fees": position.fees if fees is None else fees,
                    "closed_at": position.closed_at or self._clock(),
                }
            )
        )

    def report(self, position: Position) -> Position:
        """Report the current state of an open or closed position. Raises TooManyReports."""
        self._positions.put(position)
        return position

    def report_orders(self, counts: Mapping[str, int]) -> None:
        """Report how many orders rest at the exchange by symbol, all of the bot's.

        While orders rest, the service keeps the bot's key and the symbols' margin modes as they
        are. `running` delivers the counts, and repeats them while any order rests.
        """
        self._orders.put(counts)

    async def flush(self, seconds: float | None = None) -> None:
        """Wait until the service has answered all reports and records; at most `seconds`.

        Raises ReportsPending if some are left. Raises each final refusal once: for a position its
        Refused, for all records together ReportsRefused.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._positions.deliver()
                await self._records.deliver()
        except TimeoutError:
            pass
        self._positions.raise_refused()
        self._records.raise_refused()
        if count := self._positions.count + self._records.count:
            raise ReportsPending(count)

    def forget(self) -> None:
        """Drop the plaintext, also in objects that `credentials` returned."""
        self._keyring.forget()

    async def aclose(self) -> None:
        """Drop the plaintext and close; keep delivering for up to 5 seconds."""
        self._keyring.forget()
        self._feed.close()
        try:
            if self._connection.refused_token is None:
                await self._flush_on_close()
        finally:
            try:
                await self._connection.aclose()
            finally:
                await self._journal.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"BotClient(bot={self.bot_id}, key={self._key_id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a BotClient cannot be pickled or copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a BotClient cannot be pickled or copied")

    def _report_health(self, health: CredentialHealth) -> None:
        self._heartbeats.report = health

    def _current_key(self) -> UUID | None:
        config = self._feed.newest
        if config is None:
            return self._key_id
        return None if config.key is None else config.key.id

    async def _flush_on_close(self) -> None:
        try:
            await self.flush(_CLOSING_SECONDS)
        except ReportsPending as pending:
            _logger.warning(
                "closed with %s reports that have not reached the service%s",
                pending.count,
                "" if isinstance(self._journal, MemoryOnly) else "; they wait in the outbox",
            )
        except BotClientError:
            pass  # each refusal has been logged

    def _drop_everything(self) -> None:
        self._keyring.forget()
        self._feed.wake()

    async def _until_revoked(self) -> None:
        await self._connection.revoked.wait()
        refused = self._connection.refused_token
        assert refused is not None  # noqa: S101  # set before the event
        raise refused
