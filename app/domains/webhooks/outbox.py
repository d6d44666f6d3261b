"""The SQL of sending: deliveries are made of events, claimed, and ended.

Candidates are read across accounts without locks; everything else names its account. Rows are
locked in the order webhook, delivery, event head, and a claim never waits for a lock. Times are
passed: that of the database, as `due` has read it.

Which accounts have new events is read from `webhook_news`, which are written with the events of
accounts that webhooks wait for, and with each such webhook. They are read before the webhooks and
the head, and deleted when deliveries are made of all that these show.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Text,
    Uuid,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow, new_id
from app.db.driver import SessionExecutor
from app.db.models import EventHead, Webhook, WebhookDelivery, WebhookNews
from app.domains.events.log import EventLog
from app.domains.events.repository import EventRow, events_between, undeleted_events
from app.domains.events.types import EventType
from app.domains.webhooks.repository import TEST, watch
from app.domains.webhooks.schedule import DISABLED_AFTER, GONE, pause
from app.domains.webhooks.sender import Outcome

EVENTS_AT_ONCE = 500
"""How many events of an account deliveries are made of in one transaction."""

ACCOUNTS_AT_ONCE = 500
WINDOW = 10_000
"""How many of the deliveries that are due are looked at, the oldest first."""

NEWS_AT_ONCE = 5_000
"""How many news of an account are deleted in one transaction."""

START = UUID(int=0)
LOOKED_AT_ONCE = 20
"""How many accounts with webhooks are looked at in a turn without news."""

_WAITING = select(WebhookNews.account_id).distinct().limit(ACCOUNTS_AT_ONCE)
_ACCOUNTS = (
    select(Webhook.account_id)
    .distinct()
    .where(Webhook.active, Webhook.account_id > bindparam("after", type_=Uuid()))
    .order_by(Webhook.account_id)
    .limit(LOOKED_AT_ONCE)
)
_BEHIND = (
    select(Webhook.account_id)
    .distinct()
    .join(EventHead, EventHead.account_id == Webhook.account_id)
    .where(
        Webhook.account_id == func.any(bindparam("accounts", type_=ARRAY(Uuid()))),
        Webhook.active,
        or_(Webhook.sequence < EventHead.sequence, ~EventHead.watched),
    )
)
_ADD = text(
    """
    INSERT INTO webhook_deliveries
        (account_id, id, webhook_id, event_number, type, next_attempt_at, created_at)
    SELECT :account, made.id, made.webhook_id, made.number, made.type, :now, :now
    FROM unnest(:ids, :webhooks, :numbers, :types) AS made (id, webhook_id, number, type)
    ON CONFLICT DO NOTHING
    """
).bindparams(
    bindparam("account", type_=Uuid()),
    bindparam("now", type_=DateTime(timezone=True)),
    *(bindparam(name, type_=ARRAY(Uuid())) for name in ("ids", "webhooks")),
    bindparam("numbers", type_=ARRAY(BigInteger())),
    bindparam("types", type_=ARRAY(Text())),
)
# Each webhook's oldest come first, then each one's second: none waits for the backlog of another.
_DUE = text(
    """
    SELECT statement_timestamp() AS now, ranked.account_id, ranked.webhook_id, ranked.id,
        webhooks.sealed_url, webhooks.failing_since IS NOT NULL AS failing
    FROM (
        SELECT account_id, webhook_id, id, next_attempt_at,
            row_number() OVER (
                PARTITION BY account_id, webhook_id ORDER BY next_attempt_at, id
            ) AS place
        FROM (
            SELECT account_id, webhook_id, id, next_attempt_at FROM webhook_deliveries
            WHERE status = 'pending' AND next_attempt_at <= statement_timestamp()
                AND webhook_id <> ALL(:busy)
            ORDER BY next_attempt_at LIMIT :window
        ) AS oldest
    ) AS ranked
    JOIN webhooks
        ON webhooks.account_id = ranked.account_id AND webhooks.id = ranked.webhook_id
    WHERE ranked.place <= :share
    ORDER BY ranked.place, ranked.next_attempt_at
    LIMIT :most
    """
).bindparams(
    bindparam("busy", type_=ARRAY(Uuid())),
    *(bindparam(name, type_=BigInteger()) for name in ("window", "share", "most")),
)


class Claimed(NamedTuple):
    """A delivery that is to be attempted now, with its webhook's row."""

    account_id: UUID
    id: UUID
    claim: UUID
    type: str
    attempts: int
    created_at: datetime
    webhook: AnyRow
    event: EventRow | None


class Step(NamedTuple):
    """What was done for an account: how many deliveries were made, and what is left to do."""

    made: int
    more_events: bool = False
    more_news: bool = False


async def accounts_with_news(session: AsyncSession) -> list[UUID]:
    """Return accounts with events that their webhooks' deliveries are not made of yet."""
    return list(await session.scalars(_WAITING))


async def accounts_behind(session: AsyncSession, after: UUID) -> tuple[list[UUID], UUID]:
    """Look at some accounts with webhooks; return those that news lack for, and the last of all.

    After the last one follows the first. A release that knows no news may still write events.
    """
    accounts = list(await session.scalars(_ACCOUNTS, {"after": after}))
    if not accounts:
        return [], START
    behind = list(await session.scalars(_BEHIND, {"accounts": accounts}))
    return behind, accounts[-1] if len(accounts) == LOOKED_AT_ONCE else START


async def make_deliveries(session: AsyncSession, account_id: UUID, *, clear: bool = True) -> Step:
    """Make deliveries of some of an account's new events.

    Its news are read, and deleted once deliveries are made of all events, if they are to be
    cleared. A webhook that is being changed, or that another worker is at, is left to the next
    turn.
    """
    news = await _news(session, account_id) if clear else []
    hooks = (
        await session.execute(
            select(Webhook.id, Webhook.types, Webhook.sequence)
            .where(Webhook.account_id == account_id, Webhook.active)
            .order_by(Webhook.id)
            .with_for_update(key_share=True, skip_locked=True)
        )
    ).all()
    active = (
        select(func.count())
        .select_from(Webhook)
        .where(Webhook.account_id == account_id, Webhook.active)
        .scalar_subquery()
    )
    head = select(
        EventHead.sequence, EventHead.watched, active.label("hooks"), func.clock_timestamp()
    ).where(EventHead.account_id == account_id)
    found = (await session.execute(head)).one_or_none()
    if found is None:
        return Step(0)
    newest, watched, number, now = found
    made, upto = await _make(session, account_id, hooks, newest, now)
    if upto < newest:
        return Step(made, more_events=True)
    if number != len(hooks):
        return Step(made)
    if not clear:
        return Step(made, more_news=True)
    await _forget(session, account_id, news)
    if hooks and not watched:
        await watch(session, account_id)
    elif watched and not hooks:
        await _unwatch(session, account_id)
    return Step(made, more_news=len(news) == NEWS_AT_ONCE)


async def _news(session: AsyncSession, account_id: UUID) -> list[UUID]:
    query = select(WebhookNews.id).where(WebhookNews.account_id == account_id).limit(NEWS_AT_ONCE)
    return list(await session.scalars(query))


async def _make(
    session: AsyncSession, account_id: UUID, hooks: Sequence[AnyRow], newest: int, now: datetime
) -> tuple[int, int]:
    """Make deliveries for these webhooks; return how many, and of which events: up to a number."""
    behind = [hook for hook in hooks if hook.sequence < newest]
    if not behind:
        return 0, newest
    after = min(hook.sequence for hook in behind)
    query = events_between(account_id, after, newest).limit(EVENTS_AT_ONCE)
    events = (await session.execute(query)).all()
    upto = newest if len(events) < EVENTS_AT_ONCE else events[-1].id
    made = [
        (new_id(), hook.id, event.id, event.type)
        for hook in behind
        for event in events
        if event.id > hook.sequence and (not hook.types or event.type in hook.types)
    ]
    if made:
        ids, webhooks, numbers, types = map(list, zip(*made, strict=True))
        await session.execute(
            _ADD,
            {
                "account": account_id,
                "now": now,
                "ids": ids,
                "webhooks": webhooks,
                "numbers": numbers,
                "types": types,
            },
        )
    await session.execute(
        update(Webhook)
        .where(
            Webhook.account_id == account_id,
            Webhook.id.in_([hook.id for hook in behind]),
            Webhook.sequence < upto,
        )
        .values(sequence=upto)
        .execution_options(synchronize_session=False)
    )
    return len(made), upto


async def _forget(session: AsyncSession, account_id: UUID, news: Sequence[UUID]) -> None:
    if news:
        await session.execute(
            delete(WebhookNews)
            .where(WebhookNews.account_id == account_id, WebhookNews.id.in_(news))
            .execution_options(synchronize_session=False)
        )


async def _unwatch(session: AsyncSession, account_id: UUID) -> None:
    """Let events write no more news, if the account has no active webhook.

    Under the lock of the head, which a webhook that is added or activated takes to its commit, a
    statement of its own sees all of these.
    """
    lock = select(EventHead.sequence).where(EventHead.account_id == account_id)
    await session.execute(lock.with_for_update(key_share=True))
    active = exists().where(Webhook.account_id == account_id, Webhook.active)
    await session.execute(
        update(EventHead)
        .where(EventHead.account_id == account_id, ~active)
        .values(watched=False)
        .execution_options(synchronize_session=False)
    )


async def due(
    session: AsyncSession,
    *,
    busy: Sequence[UUID],
    share: int,
    most: int,
) -> Sequence[AnyRow]:
    """Return deliveries that are due: up to `share` of each webhook that is not `busy`."""
    values = {"busy": busy, "window": WINDOW, "share": share, "most": most}
    return (await session.execute(_DUE, values)).all()


async def claim(
    session: AsyncSession,
    account_id: UUID,
    ids: Sequence[UUID],
    token: UUID,
    *,
    now: datetime,
    until: datetime,
) -> list[Claimed]:
    """Claim those deliveries that nobody else has claimed meanwhile, up to a time.

    One whose event is deleted, or whose webhook is no longer active, is cancelled instead.
    """
    delivery = WebhookDelivery
    found = (
        await session.execute(
            select(
                delivery.id,
                delivery.webhook_id,
                delivery.event_number,
                delivery.type,
                delivery.attempts,
                delivery.created_at,
            )
            .where(
                delivery.account_id == account_id,
                delivery.id.in_(ids),
                delivery.status == "pending",
                delivery.next_attempt_at <= now,
            )
            .order_by(delivery.id)
            .with_for_update(skip_locked=True)
        )
    ).all()
    if not found:
        return []
    table = Webhook.__table__
    query = select(table).where(
        table.c.account_id == account_id, table.c.id.in_({row.webhook_id for row in found})
    )
    hooks = {hook.id: hook for hook in await session.execute(query)}
    numbers = [row.event_number for row in found if row.event_number is not None]
    rows = await session.execute(undeleted_events(account_id, numbers)) if numbers else ()
    events = {row.id: EventRow._make(row) for row in rows}
    claimed, lost = [], []
    for row in found:
        hook, event = hooks.get(row.webhook_id), events.get(row.event_number)
        if hook is None or (row.type != TEST and (event is None or not hook.active)):
            lost.append(row.id)
            continue
        claimed.append(
            Claimed(account_id, row.id, token, row.type, row.attempts, row.created_at, hook, event)
        )
    if claimed:
        await _change(
            session,
            account_id,
            delivery.id.in_([one.id for one in claimed]),
            claim=token,
            next_attempt_at=until,
        )
    if lost:
        await _change(session, account_id, delivery.id.in_(lost), **_ended("cancelled", now))
    return claimed


async def release(session: AsyncSession, account_id: UUID, token: UUID, now: datetime) -> None:
    """Give back what is claimed and was not attempted, so that another worker need not wait."""
    await _change(
        session,
        account_id,
        WebhookDelivery.claim == token,
        WebhookDelivery.status == "pending",
        claim=None,
        next_attempt_at=now,
    )


async def succeeded(
    session: AsyncSession, one: Claimed, outcome: Outcome, now: datetime, took: timedelta
) -> None:
    """End a delivery that has arrived."""
    await session.execute(
        _webhook(one)
        .where(Webhook.failing_since.is_not(None))
        .values(failing_since=None, revision=Webhook.revision + 1, updated_at=now)
    )
    await _record(session, one, outcome, now, took, **_ended("delivered", now))


async def failed(
    session: AsyncSession,
    one: Claimed,
    outcome: Outcome,
    now: datetime,
    took: timedelta,
    host: str | None,
) -> str | None:
    """Plan the next attempt, or end the delivery; return why its webhook is disabled, if it is.

    A test has one attempt, and says nothing about how its webhook fares.
    """
    if one.type == TEST:
        await _record(session, one, outcome, now, took, **_ended("failed", now))
        return None
    hook = (
        await session.execute(
            select(Webhook.failing_since, Webhook.active)
            .where(Webhook.account_id == one.account_id, Webhook.id == one.webhook.id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if hook is None:
        return None
    if hook.failing_since is None:
        await session.execute(
            _webhook(one).values(failing_since=now, revision=Webhook.revision + 1, updated_at=now)
        )
    wait = pause(one.attempts + 1, outcome)
    ended = _ended("failed", now) if wait is None else {"next_attempt_at": now + wait}
    await _record(session, one, outcome, now, took, **ended)
    reason = None
    if outcome.status == GONE:
        reason = "gone"
    elif hook.failing_since is not None and hook.failing_since <= now - DISABLED_AFTER:
        reason = "failing"
    if reason is None or not hook.active:
        return None
    await _disable(session, one, reason, now, host)
    return reason


async def _disable(
    session: AsyncSession, one: Claimed, reason: str, now: datetime, host: str | None
) -> None:
    """Deactivate the webhook, whose row is locked, and cancel what waits."""
    await session.execute(
        _webhook(one).values(
            active=False,
            disabled_at=now,
            disabled_reason=reason,
            revision=Webhook.revision + 1,
            updated_at=now,
        )
    )
    await _change(
        session,
        one.account_id,
        WebhookDelivery.webhook_id == one.webhook.id,
        WebhookDelivery.status == "pending",
        **_ended("cancelled", now),
    )
    events = EventLog(SessionExecutor(session), one.account_id)
    await events.add(
        EventType.WEBHOOK_DISABLED, webhook_id=one.webhook.id, host=host, reason=reason
    )


async def _record(
    session: AsyncSession,
    one: Claimed,
    outcome: Outcome,
    now: datetime,
    took: timedelta,
    **columns: Any,
) -> None:
    """Record an attempt, unless the delivery has ended or been claimed by another meanwhile."""
    await _change(
        session,
        one.account_id,
        WebhookDelivery.id == one.id,
        WebhookDelivery.claim == one.claim,
        WebhookDelivery.status == "pending",
        attempts=WebhookDelivery.attempts + 1,
        claim=None,
        last_attempt_at=now - took,
        response_status=outcome.status,
        error=outcome.error,
        duration_ms=round(took / timedelta(milliseconds=1)),
        **columns,
    )


async def _change(
    session: AsyncSession, account_id: UUID, *conditions: Any, **columns: Any
) -> None:
    await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.account_id == account_id, *conditions)
        .values(**columns)
        .execution_options(synchronize_session=False)
    )


def _webhook(one: Claimed) -> Any:
    return (
        update(Webhook)
        .where(Webhook.account_id == one.account_id, Webhook.id == one.webhook.id)
        .execution_options(synchronize_session=False)
    )


def _ended(status: str, now: datetime) -> dict[str, Any]:
    return {"status": status, "next_attempt_at": None, "finished_at": now}
