"""Sends webhooks: makes deliveries of events, claims those that are due, attempts them.

Any number of workers may run. A claim lapses if its worker dies, and another one attempts the
delivery then: it arrives at least once.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import time
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.custody.webhook_keys import WebhookKeys
from app.db.base import AnyRow
from app.db.failures import is_of_database
from app.domains.webhooks import outbox
from app.domains.webhooks.formats import Occasion, message
from app.domains.webhooks.outbox import Claimed
from app.domains.webhooks.sender import Message, Outcome, Sender, SendError
from app.kit.outbound_guard import Allowed
from app.worker.delivery_slots import DeliveryLimits, DeliverySlots, Place
from app.worker.watch import beat
from botkeys.sealing.errors import CannotOpen

CLAIM = timedelta(seconds=60)
"""How long a claim holds: an attempt takes 15 seconds, and its result may have to wait."""

TURN_SECONDS = 2.0
"""How long a turn goes on while something is being sent, so that the end of it makes room."""

GRACE = 5.0
"""Seconds that attempts in flight get when the worker stops."""

GATHER_SECONDS = 0.1
"""How long attempts may end before what is due is looked for: few claims cost less than many."""

ROUNDS_SECONDS = 2.0
"""How long deliveries are made before accounts with new events are looked for again."""

CLAIMS_AT_ONCE = 4
RECORDS_AT_ONCE = 8
_RETRY_SECONDS = 1.0
_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15)

log = structlog.get_logger("botkeys.webhooks")


class DeliveryMetrics:
    """What came of attempts, by outcome: `delivered`, or why not."""

    def __init__(self) -> None:
        self.attempts = Counter(
            "botkeys_webhook_attempts_total",
            "Attempts to deliver to a webhook, by outcome: delivered, or why not",
            ["outcome"],
            registry=None,
        )
        self.seconds = Histogram(
            "botkeys_webhook_attempt_seconds",
            "Duration of an attempt to deliver",
            buckets=_BUCKETS,
            registry=None,
        )
        self.disabled = Counter(
            "botkeys_webhooks_disabled_total",
            "Webhooks that were disabled, by reason: failing or gone",
            ["reason"],
            registry=None,
        )

    def register(self, registry: CollectorRegistry) -> None:
        for metric in (self.attempts, self.seconds, self.disabled):
            registry.register(metric)


class FanOut:
    """The making of deliveries of one worker.

    It touches accounts that have news, and beside them, in turn, a few accounts with webhooks.
    """

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self._after = outbox.START

    async def turn(self) -> int:
        """Make the deliveries of all new events; return how many."""
        async with self._sessions() as session:
            behind, self._after = await outbox.accounts_behind(session, self._after)
        total = await self._make(behind)
        while True:
            async with self._sessions() as session:
                accounts = await outbox.accounts_with_news(session)
            made = await self._make(accounts)
            total += made
            if len(accounts) < outbox.ACCOUNTS_AT_ONCE or not made:
                return total

    async def _make(self, accounts: list[UUID]) -> int:
        """Work on these accounts in rounds until nothing is left, or for some time; return how
        many deliveries were made.

        Looking for accounts reads all their news, of which many may wait.
        """
        until = _monotonic() + ROUNDS_SECONDS
        random.shuffle(accounts)  # several workers begin with different ones
        clear = dict.fromkeys(accounts, True)
        made = 0
        while clear:
            for account_id, clears in list(clear.items()):
                async with self._sessions.begin() as session:
                    step = await outbox.make_deliveries(session, account_id, clear=clears)
                made += step.made
                beat()
                if step.more_events or step.more_news:
                    clear[account_id] = step.more_news
                else:
                    del clear[account_id]
            if _monotonic() >= until:
                break
        return made


class Deliverer:
    """The sending of one worker. `close` must be called, before the database closes."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        keys: WebhookKeys,
        sender: Sender,
        allowed: Allowed,
        metrics: DeliveryMetrics,
        limits: DeliveryLimits | None = None,
        *,
        grace: float = GRACE,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self._turn_seconds = turn_seconds
        self._sessions = sessions
        self._keys = keys
        self._sender = sender
        self._allowed = allowed
        self._metrics = metrics
        self._limits = limits or DeliveryLimits()
        self._grace = grace
        self._slots = DeliverySlots(self._limits)
        self._running: set[asyncio.Task[None]] = set()
        self._claims: dict[UUID, tuple[UUID, int]] = {}
        self._ended = asyncio.Event()
        self._claiming = asyncio.Semaphore(CLAIMS_AT_ONCE)
        self._recording = asyncio.Semaphore(RECORDS_AT_ONCE)
        self._clock: tuple[datetime, float] | None = None

    async def turn(self) -> int:
        """Begin what is due; return how many attempts began.

        While something is in flight, it goes on for a moment: the end of an attempt makes room.
        """
        until = _monotonic() + self._turn_seconds
        begun = 0
        while True:
            self._ended.clear()  # before looking: what ends meanwhile may make something due
            seen, started = await self._begin()
            begun += started
            beat()
            left = until - _monotonic()
            if left <= 0 or not (seen or self._running or self._ended.is_set()):
                return begun
            if seen:
                continue
            try:
                async with asyncio.timeout(left):
                    await self._ended.wait()
                    await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                return begun

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """Let attempts in flight end, for some seconds; give back what was not attempted."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._grace)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        try:
            for token, (account_id, _) in self._claims.items():
                async with self._sessions.begin() as session:
                    await outbox.release(session, account_id, token, self._now())
        except Exception as error:
            if not is_of_database(error):
                raise
            log.warning("webhook_claims_lapse", exception=type(error).__name__)

    async def _begin(self) -> tuple[int, int]:
        """Claim and begin what there are slots for; return how many were due, and how many began.

        Those that were due and found no slot are not among what is due the next time.
        """
        if not self._slots.free:
            return 0, 0
        async with self._sessions() as session:
            rows = await outbox.due(
                session,
                busy=self._slots.busy(),
                share=self._limits.of_webhook,
                most=self._slots.free,
            )
        if not rows:
            return 0, 0
        self._clock = rows[0].now, _monotonic()
        wanted: defaultdict[UUID, dict[UUID, tuple[Place, str | None]]] = defaultdict(dict)
        for row in rows:
            url = self._url(row)
            place = self._place(row, url)
            if self._slots.take(place):
                wanted[row.account_id][row.id] = (place, url)
        claims = (self._claim(account_id, places) for account_id, places in wanted.items())
        results = await asyncio.gather(*claims, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise failures[0]
        return len(rows), sum(result for result in results if isinstance(result, int))

    async def _claim(self, account_id: UUID, places: dict[UUID, tuple[Place, str | None]]) -> int:
        """Claim deliveries that have a slot each, and begin them; return how many."""
        token, now = uuid4(), self._now()
        claimed: Sequence[Claimed] = ()
        begun: set[UUID] = set()
        try:
            async with self._claiming, self._sessions.begin() as session:
                claimed = await outbox.claim(
                    session, account_id, list(places), token, now=now, until=now + CLAIM
                )
            if claimed:
                self._claims[token] = account_id, len(claimed)
            for one in claimed:
                place, url = places[one.id]
                task = asyncio.create_task(self._attempt(one, place, url))
                self._running.add(task)
                task.add_done_callback(self._forget)
                begun.add(one.id)
        finally:
            for id_, (place, _) in places.items():
                if id_ not in begun:
                    self._slots.release(place, answered=False)
        return len(begun)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._ended.set()

    async def _attempt(self, one: Claimed, place: Place, url: str | None) -> None:
        """Attempt a delivery once and record what came of it."""
        answered = False
        try:
            began = _monotonic()
            outcome = await self._send(one, url)
            took = timedelta(seconds=_monotonic() - began)
            answered = outcome.error is None
            self._metrics.attempts.labels(outcome.error or "delivered").inc()
            self._metrics.seconds.observe(took.total_seconds())
            host = urlsplit(url).hostname if url is not None else None
            log.info(
                "webhook_attempt",
                webhook=str(one.webhook.id),
                delivery=str(one.id),
                type=one.type,
                host=host,
                attempt=one.attempts + 1,
                status=outcome.status,
                error=outcome.error,
                seconds=round(took.total_seconds(), 3),
            )
            await self._record(one, outcome, took, host)
            self._settle(one)
        finally:
            self._slots.release(place, answered=answered)

    def _settle(self, one: Claimed) -> None:
        account_id, left = self._claims.pop(one.claim)
        if left > 1:
            self._claims[one.claim] = account_id, left - 1

    async def _send(self, one: Claimed, url: str | None) -> Outcome:
        if url is None:
            return Outcome(None, SendError.ADDRESS_UNREADABLE)
        try:
            made = self._message(one)
            return await self._sender.send(url, made)
        except Exception:
            # Whatever is wrong with this one must not end the worker, which sends all others.
            log.exception("webhook_attempt_broke", delivery=str(one.id), type=one.type)
            return Outcome(None, SendError.INTERNAL_ERROR)

    def _message(self, one: Claimed) -> Message:
        hook = one.webhook
        at = one.created_at if one.event is None else one.event.at
        made = message(hook.format, Occasion(hook.id, one.type, at, one.event))
        timestamp = str(int(time()))
        content = f"{one.id}.{timestamp}.".encode() + made.body
        versions = [hook.secret_version]
        if hook.former_secret_until is not None and hook.former_secret_until > self._now():
            versions.append(hook.secret_version - 1)
        signatures = [
            signature
            for version in versions
            for signature in self._keys.signatures(one.account_id, hook.id, version, content)
        ]
        signed = [
            ("webhook-id", str(one.id)),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", " ".join(signatures)),
        ]
        return Message([*made.headers, *signed], made.body)

    async def _record(
        self, one: Claimed, outcome: Outcome, took: timedelta, host: str | None
    ) -> None:
        """Record what came of an attempt, again and again while the claim holds."""
        until = _monotonic() + (CLAIM - took).total_seconds()

        async def write(session: AsyncSession) -> None:
            if outcome.error is None:
                await outbox.succeeded(session, one, outcome, self._now(), took)
                return
            reason = await outbox.failed(session, one, outcome, self._now(), took, host)
            if reason is not None:
                self._metrics.disabled.labels(reason).inc()
                log.warning(
                    "webhook_disabled", webhook=str(one.webhook.id), host=host, reason=reason
                )

        while True:
            try:
                async with self._recording, self._sessions.begin() as session:
                    await write(session)
            except Exception as error:
                if not is_of_database(error):
                    raise
                failure = type(error).__name__
            else:
                return
            if _monotonic() + _RETRY_SECONDS > until:
                log.warning("webhook_attempt_unrecorded", delivery=str(one.id), exception=failure)
                return
            await asyncio.sleep(_RETRY_SECONDS)

    def _url(self, row: AnyRow) -> str | None:
        try:
            return self._keys.open_url(row.account_id, row.webhook_id, row.sealed_url)
        except CannotOpen:
            return None

    def _place(self, row: AnyRow, url: str | None) -> Place:
        """Return what the attempt counts for. A host that the operator names is not a stranger's,
        which many accounts together could overwhelm.
        """
        host = urlsplit(url).hostname if url is not None else None
        if host is not None and self._allowed.names(host):
            host = None
        return Place(row.account_id, row.webhook_id, host, row.failing)

    def _now(self) -> datetime:
        """Return the time of the database, as far as it was seen."""
        assert self._clock is not None  # noqa: S101  # nothing is claimed before it is read
        at, then = self._clock
        return at + timedelta(seconds=_monotonic() - then)


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
