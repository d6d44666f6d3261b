"""A bot's connection to the service."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import NoReturn, Self, final
from uuid import UUID, uuid4

from botkeys.client.config_feed import ConfigFeed
from botkeys.client.connection import Connection
from botkeys.client.credentials import ReleasedCredentials
from botkeys.client.errors import BotClientError, NotReserved, ReportsPending
from botkeys.client.health import (
    Clock,
    CredentialCheck,
    CredentialHealth,
    HealthCheck,
    exchange_check,
)
from botkeys.client.heartbeat import Heart
from botkeys.client.keyring import Keyring
from botkeys.client.models import BotConfig, Heartbeat, Position
from botkeys.client.position_outbox import Outbox, Revisions, put_position
from botkeys.client.record_queue import Journal
from botkeys.client.recorder import Recorder
from botkeys.client.stream import Follower
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
    """Credentials, configuration, positions and records of one bot; use it in `async with`.

        async with BotClient("https://botkeys.example", token, key_id=…, exchange="okx",
                             environment="testnet") as client, client.running():
            credentials = await client.credentials()
            async for config in client.changes():
                …

    `key_id`, `exchange` and `environment` are the bot's own configuration: an answer for others is
    refused. Give all three, or whoever controls the service chooses them. `minimum_version` (with
    `key_id`) refuses what was replaced before the bot last stopped. A `transport` of the caller's
    own is left open. `pace` says how often what is done, `check` replaces the question to the
    exchange, `clock` the present moment. Every method raises BotClientError and nothing else.

    A token that the service refuses ends it all: what is held in memory is dropped, and
    NotAuthenticated is raised by whatever waits.
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
    ) -> None:
        if minimum_version > 1 and key_id is None:
            raise ValueError("minimum_version is of one key: give key_id too")
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
        self._feed = ConfigFeed(connection, self._keyring.follow)
        self._follower = Follower(connection, self._feed, pace)
        self._heart = Heart(connection, self._feed, pace)
        self._health = HealthCheck(
            self._keyring,
            self._feed,
            pace,
            check=check or exchange_check(lambda: connection.transport),
            clock=clock,
            hand_on=self._hand_on,
        )
        super().__init__(Journal(connection, pace), clock, self._find_key)
        self._revisions = Revisions(clock)
        self._outbox = Outbox(connection, pace, self._revisions)
        connection.on_revoked = self._drop_everything

    @property
    def account_id(self) -> UUID:
        return self._ids.account_id

    @property
    def bot_id(self) -> UUID:
        return self._ids.bot_id

    async def credentials(self, *, fresh: bool = False) -> ReleasedCredentials:
        """The credentials held in memory, or fetched now if there are none or `fresh` is asked.

        Each fetch makes a key pair of its own, is recorded, and counts towards the bot's limit of
        releases. What an earlier fetch handed out is dropped then.
        """
        return await self._keyring.credentials(fresh=fresh)

    async def config(self) -> BotConfig:
        """The bot's configuration now. Credentials of a key that it has no more are dropped."""
        return await self._feed.read()

    @property
    def newest_config(self) -> BotConfig | None:
        """The newest configuration that is known, from wherever; nothing is asked for it."""
        return self._feed.newest

    def changes(self) -> AsyncIterator[BotConfig]:
        """The configuration, and then each change of it; who is slow gets the newest only.

        Without `running` there are changes only where `config` finds them.
        """
        return self._feed.changes()

    async def heartbeat(self, report: CredentialHealth | None = None) -> Heartbeat:
        """One heartbeat: online for another lease. `report` goes with it, or with a later one."""
        if report is not None:
            self._heart.report = report
        return await self._heart.beat()

    async def run(self) -> NoReturn:
        """Beat, follow the configuration, check the credentials and deliver reports, for ever.

        Outages are waited out. Raises NotAuthenticated once the token is refused.
        """
        ended: BotClientError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for part in (
                    self._heart,
                    self._follower,
                    self._health,
                    self._outbox,
                    self._journal,
                ):
                    group.create_task(part.forever())
                group.create_task(self._until_revoked())
        except* BotClientError as errors:
            ended = next(error for error in errors.exceptions if isinstance(error, BotClientError))
        raise ended or AssertionError("what goes on for ever ended")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Self]:
        """`run` beside the block. If it ends, the block is cancelled and its error raised here."""
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
        """Ask before the order is sent. Held for 60 s, until `expires_at`; `renew` it meanwhile.

        Raises MayNotOpen with all `reasons`, and NotReserved if the answer is no permission for
        another cause: send the order only after this returned. Leverage and margin mode are the
        asset's by default.
        """
        wish = Position(
            id=position_id or str(uuid4()),
            symbol=symbol,
            side=side,
            status="opening",
            quantity=quantity,
            leverage=leverage,
            margin_mode=margin_mode,
        )
        return await self.renew(wish)

    async def renew(self, position: Position) -> Position:
        """Ask again for what is `opening`, as for an order that rests. Raises the same."""
        revision = self._revisions.following(position.id)
        stored = await put_position(self._connection, position, revision)
        if stored.revision is not None and stored.revision > revision:
            # Asked with a clock that was set back since: the service took it for an old report.
            self._revisions.raise_to(position.id, stored.revision)
            revision = self._revisions.following(position.id)
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
        """Report that it is open: a fact, whether or not it was asked for. The new state.

        Reports are delivered by `running` or `flush`, one after the other, whatever it takes.
        Raises TooManyReports.
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
        """Report that it is closed, once the exchange says so. Without a price: never opened."""
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
        """Report an open or closed position as it is now. Raises TooManyReports."""
        self._outbox.put(position)
        return position

    async def flush(self, seconds: float | None = None) -> None:
        """Wait until all reports and records are judged; raises ReportsPending after `seconds`.

        What the service will never take is raised here, once: each report of a position as its
        Refused, all records together as ReportsRefused.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._outbox.deliver()
                await self._journal.deliver()
        except TimeoutError:
            pass
        self._outbox.raise_refused()
        self._journal.raise_refused()
        if count := self._outbox.count + self._journal.count:
            raise ReportsPending(count)

    def forget(self) -> None:
        """Drop the plaintext, also from what `credentials` handed out."""
        self._keyring.forget()

    async def aclose(self) -> None:
        """Drop the plaintext; what waits for the service is tried for some seconds more."""
        self._keyring.forget()
        self._feed.close()
        try:
            if self._connection.refused_token is None:
                await self._deliver_last()
        finally:
            await self._connection.aclose()

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

    def _hand_on(self, health: CredentialHealth) -> None:
        self._heart.report = health

    def _find_key(self) -> UUID | None:
        config = self._feed.newest
        if config is None:
            return self._key_id
        return None if config.key is None else config.key.id

    async def _deliver_last(self) -> None:
        try:
            await self.flush(_CLOSING_SECONDS)
        except ReportsPending as pending:
            _logger.warning("closed with %s reports that are not with the service", pending.count)
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
