"""The SQL of webhooks for their account. Every statement names the account."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow, first_id, new_id
from app.db.clock import NOW
from app.db.models import EventHead, Webhook, WebhookDelivery
from app.domains.events.repository import event_exists

TEST = "webhook.test"
"""What a delivery has for a type that is a test and no event."""

_CLOCKS = timedelta(minutes=5)
_WEBHOOK = Webhook.__table__
_DELIVERY = WebhookDelivery.__table__
_SHOWN = tuple(column for column in _DELIVERY.c if column.name not in {"account_id", "claim"})


_WATCH = text(
    """
    WITH head AS (
        INSERT INTO event_heads AS head (account_id, sequence, watched) VALUES (:account, 0, true)
        ON CONFLICT (account_id) DO UPDATE SET watched = true
        RETURNING account_id
    )
    INSERT INTO webhook_news (account_id) SELECT :account FROM head WHERE account_id = :account
    """
).bindparams(bindparam("account", type_=Uuid()))


async def watch(session: AsyncSession, account_id: UUID) -> None:
    """Have the account's events make news, from now on.

    It waits for events that are being added, which made none: so it makes some itself. Like adding
    events it comes after everything else.
    """
    await session.execute(_WATCH, {"account": account_id})


class WebhookRepository:
    """The webhooks of one account."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def page(self, after: UUID | None, limit: int) -> list[AnyRow]:
        """Return up to `limit` rows that come after the id `after`, newest first."""
        query = select(_WEBHOOK).where(self._mine()).order_by(Webhook.id.desc()).limit(limit)
        if after is not None:
            query = query.where(Webhook.id < after)
        return list((await self._session.execute(query)).all())

    async def get(self, webhook_id: UUID) -> AnyRow | None:
        query = select(_WEBHOOK).where(self._mine(), Webhook.id == webhook_id)
        return (await self._session.execute(query)).one_or_none()

    async def lock(self, webhook_id: UUID) -> AnyRow | None:
        """Lock the webhook and return its row."""
        query = select(_WEBHOOK).where(self._mine(), Webhook.id == webhook_id).with_for_update()
        return (await self._session.execute(query)).one_or_none()

    async def count(self) -> int:
        query = select(func.count()).select_from(Webhook).where(self._mine())
        return (await self._session.execute(query)).scalar_one()

    async def add(self, webhook_id: UUID, **columns: Any) -> None:
        """Add a webhook that gets the events which are committed from now on."""
        sequence = await self._newest()
        await self._session.execute(
            insert(Webhook).values(
                account_id=self._account_id, id=webhook_id, sequence=sequence, **columns
            )
        )

    async def watch(self) -> None:
        """Have the account's events delivered: a webhook of it is active."""
        await watch(self._session, self._account_id)

    async def change(self, webhook_id: UUID, *, from_now: bool, **columns: Any) -> None:
        """Change columns; with `from_now` it gets only events that are committed from now on."""
        if from_now:
            columns["sequence"] = await self._newest()
        await self._session.execute(
            update(Webhook)
            .where(self._mine(), Webhook.id == webhook_id)
            .values(**columns, revision=Webhook.revision + 1, updated_at=NOW)
            .execution_options(synchronize_session=False)
        )

    async def rotate(self, webhook_id: UUID, overlap: timedelta | None) -> None:
        """Give the webhook its next secret; the present one signs as well for `overlap`."""
        await self.change(
            webhook_id,
            from_now=False,
            secret_version=Webhook.secret_version + 1,
            former_secret_until=None if overlap is None else NOW + overlap,
        )

    async def remove(self, webhook_id: UUID) -> None:
        """Delete the webhook with its deliveries."""
        await self._session.execute(delete(Webhook).where(self._mine(), Webhook.id == webhook_id))

    async def cancel_pending(self, webhook_id: UUID) -> None:
        """Cancel what is still to be sent."""
        await self._session.execute(
            update(WebhookDelivery)
            .where(
                WebhookDelivery.account_id == self._account_id,
                WebhookDelivery.webhook_id == webhook_id,
                WebhookDelivery.status == "pending",
            )
            .values(status="cancelled", next_attempt_at=None, finished_at=NOW)
            .execution_options(synchronize_session=False)
        )

    async def deliveries(
        self, webhook_id: UUID, status: str | None, after: UUID | None, limit: int
    ) -> list[AnyRow]:
        """Return up to `limit` deliveries that come after the id `after`, newest first."""
        query = (
            select(*_SHOWN)
            .where(*self._of(webhook_id))
            .order_by(WebhookDelivery.id.desc())
            .limit(limit)
        )
        if status is not None:
            query = query.where(WebhookDelivery.status == status)
        if after is not None:
            query = query.where(WebhookDelivery.id < after)
        return list((await self._session.execute(query)).all())

    async def delivery(self, webhook_id: UUID, delivery_id: UUID) -> AnyRow | None:
        query = select(*_SHOWN).where(*self._of(webhook_id), WebhookDelivery.id == delivery_id)
        return (await self._session.execute(query)).one_or_none()

    async def wait_to_ask(self, webhook_id: UUID, most: int, within: timedelta) -> float:
        """Return the seconds until one more test or replay is among `most` within the time; 0 or
        less if it is now.

        Ids are in the order of time, but for the difference of two clocks: older ones are not read.
        """
        oldest = first_id(datetime.now(UTC) - within - _CLOCKS)
        now = func.clock_timestamp()
        query = (
            select(func.extract("epoch", WebhookDelivery.created_at + within - now))
            .where(
                *self._of(webhook_id),
                WebhookDelivery.id >= oldest,
                WebhookDelivery.created_at > now - within,
                or_(WebhookDelivery.replay_of.is_not(None), WebhookDelivery.type == TEST),
            )
            .order_by(WebhookDelivery.created_at.desc())
            .offset(most - 1)
            .limit(1)
        )
        return float(await self._session.scalar(query) or 0)

    async def has_event(self, number: int) -> bool:
        """Return whether the event is kept and its data are not deleted."""
        query = select(event_exists(self._account_id, number))
        return bool(await self._session.scalar(query))

    async def queue(self, webhook_id: UUID, type_: str, **columns: Any) -> AnyRow:
        """Add a delivery to be sent at once; return its row."""
        new = insert(WebhookDelivery).values(
            account_id=self._account_id,
            id=new_id(),
            webhook_id=webhook_id,
            type=type_,
            next_attempt_at=func.clock_timestamp(),
            **columns,
        )
        return (await self._session.execute(new.returning(*_SHOWN))).one()

    def _mine(self) -> Any:
        return Webhook.account_id == self._account_id

    def _of(self, webhook_id: UUID) -> tuple[Any, Any]:
        return (
            WebhookDelivery.account_id == self._account_id,
            WebhookDelivery.webhook_id == webhook_id,
        )

    async def _newest(self) -> int:
        """Return the number of the account's newest event."""
        head = select(EventHead.sequence).where(EventHead.account_id == self._account_id)
        return await self._session.scalar(head) or 0
