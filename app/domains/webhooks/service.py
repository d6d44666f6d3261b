"""The rules of webhooks."""

from datetime import timedelta
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from app.api.pagination import Page
from app.custody.webhook_keys import WebhookKeys
from app.db.base import AnyRow, new_id
from app.db.revisions import Revisions, require
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.webhooks.addresses import require_address
from app.domains.webhooks.errors import EventExpired, WebhookInactive, WebhookQuotaReached
from app.domains.webhooks.repository import TEST, WebhookRepository
from app.domains.webhooks.schemas import WebhookChange, WebhookCreate
from app.domains.webhooks.serializers import url_of
from app.errors import NotFound, RateLimited, RatePolicy
from app.kit.outbound_guard import Allowed

OVERLAP = timedelta(hours=24)
"""How long the secret before a rotation signs as well."""

ASKED_FOR_PER_HOUR = 100
"""Tests and replays of one webhook that may be asked for in an hour."""


class WebhookService:
    """The webhooks of one account, at most `most`. Locks in the order account, webhook, audit head,
    event head.

    The audit log names a webhook's host and never the rest of its address, which may be a secret.
    """

    def __init__(
        self,
        *,
        webhooks: WebhookRepository,
        accounts: AccountRepository,
        audit: AuditLog,
        keys: WebhookKeys,
        account_id: UUID,
        allowed: Allowed,
        most: int,
    ) -> None:
        self._webhooks = webhooks
        self._accounts = accounts
        self._audit = audit
        self._keys = keys
        self._account_id = account_id
        self._allowed = allowed
        self._most = most

    async def page(self, after: UUID | None, limit: int) -> Page[AnyRow, UUID]:
        rows = await self._webhooks.page(after, limit + 1)
        return Page.cut(rows, limit, attrgetter("id"))

    async def get(self, webhook_id: UUID) -> AnyRow:
        row = await self._webhooks.get(webhook_id)
        if row is None:
            raise NotFound
        return row

    async def add(self, new: WebhookCreate) -> AnyRow:
        require_address(new.url, self._allowed)
        await self._accounts.lock_shared()
        webhook_id = new_id()
        await self._webhooks.add(
            webhook_id,
            sealed_url=self._keys.seal_url(self._account_id, webhook_id, new.url),
            types=list(new.types),
            format=new.format,
            active=new.active,
        )
        await self._record(
            "webhook.add", webhook_id, url=new.url, types=list(new.types), format=new.format
        )
        # Counted under the lock of the audit log's head, which every addition holds to its end.
        if await self._webhooks.count() > self._most:
            raise WebhookQuotaReached(self._most)
        if new.active:
            await self._webhooks.watch()
        return await self.get(webhook_id)

    async def change(
        self, webhook_id: UUID, change: WebhookChange, expected: Revisions | None
    ) -> AnyRow:
        if change.url is not None:
            require_address(change.url, self._allowed)
        row = await self._locked(webhook_id, expected)
        columns = self._columns(row, change)
        if not columns:
            return row
        activated = columns.get("active") is True
        if activated:
            columns |= {"disabled_at": None, "disabled_reason": None, "failing_since": None}
        elif columns.get("active") is False:
            await self._webhooks.cancel_pending(webhook_id)
        await self._webhooks.change(webhook_id, from_now=activated, **columns)
        shown = {name: columns[name] for name in ("types", "format", "active") if name in columns}
        url = change.url if "sealed_url" in columns else None
        await self._record("webhook.change", webhook_id, url=url, **shown)
        if activated:
            await self._webhooks.watch()
        return await self.get(webhook_id)

    async def rotate(
        self, webhook_id: UUID, expected: Revisions | None, *, end_former: bool
    ) -> AnyRow:
        """Give the webhook a new secret; unless it is ended, the present one signs for a day."""
        await self._locked(webhook_id, expected)
        await self._webhooks.rotate(webhook_id, None if end_former else OVERLAP)
        await self._record("webhook.rotate_secret", webhook_id, end_former=end_former)
        return await self.get(webhook_id)

    async def remove(self, webhook_id: UUID, expected: Revisions | None) -> None:
        row = await self._locked(webhook_id, expected)
        await self._webhooks.remove(webhook_id)
        await self._record("webhook.delete", webhook_id, url=url_of(self._keys, row))

    async def deliveries(
        self, webhook_id: UUID, status: str | None, after: UUID | None, limit: int
    ) -> Page[AnyRow, UUID]:
        await self.get(webhook_id)
        rows = await self._webhooks.deliveries(webhook_id, status, after, limit + 1)
        return Page.cut(rows, limit, attrgetter("id"))

    async def test(self, webhook_id: UUID) -> AnyRow:
        """Queue a message that is no event, also for a webhook that is not active yet."""
        await self._locked(webhook_id, None)
        return await self._queue("webhook.test", webhook_id, TEST)

    async def replay(self, webhook_id: UUID, delivery_id: UUID) -> AnyRow:
        """Queue the event, or the test, of a delivery once more."""
        row = await self._locked(webhook_id, None)
        former = await self._webhooks.delivery(webhook_id, delivery_id)
        if former is None:
            raise NotFound
        if former.event_number is not None:
            if not row.active:
                raise WebhookInactive
            if not await self._webhooks.has_event(former.event_number):
                raise EventExpired
        return await self._queue(
            "webhook.replay",
            webhook_id,
            former.type,
            event_number=former.event_number,
            replay_of=former.id,
        )

    async def _queue(self, action: str, webhook_id: UUID, type_: str, **columns: Any) -> AnyRow:
        await self._require_share(webhook_id)
        queued = await self._webhooks.queue(webhook_id, type_, **columns)
        await self._record(action, webhook_id, delivery_id=str(queued.id))
        return queued

    async def _locked(self, webhook_id: UUID, expected: Revisions | None) -> AnyRow:
        await self._accounts.lock_shared()
        row = await self._webhooks.lock(webhook_id)
        if row is None:
            raise NotFound
        require(row.revision, expected)
        return row

    async def _require_share(self, webhook_id: UUID) -> None:
        """Raise `RateLimited`: what is asked for here others have to wait for."""
        hour = timedelta(hours=1)
        wait = await self._webhooks.wait_to_ask(webhook_id, ASKED_FOR_PER_HOUR, hour)
        if wait > 0:
            raise RateLimited(
                wait,
                f"A webhook has at most {ASKED_FOR_PER_HOUR} tests and replays in an hour.",
                policy=RatePolicy("webhook", ASKED_FOR_PER_HOUR, hour.total_seconds()),
            )

    def _columns(self, row: AnyRow, change: WebhookChange) -> dict[str, Any]:
        """Return the columns that really change."""
        wanted = {"format": change.format, "active": change.active}
        columns: dict[str, Any] = {
            name: value
            for name, value in wanted.items()
            if value is not None and value != getattr(row, name)
        }
        if change.types is not None and list(change.types) != list(row.types):
            columns["types"] = list(change.types)
        if change.url is not None and change.url != url_of(self._keys, row):
            columns["sealed_url"] = self._keys.seal_url(self._account_id, row.id, change.url)
        return columns

    async def _record(
        self, action: str, webhook_id: UUID, *, url: str | None = None, **details: Any
    ) -> None:
        if url is not None:
            details["host"] = urlsplit(url).hostname
        await self._audit.record(action, target="webhook", target_id=webhook_id, **details)
