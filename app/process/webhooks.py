"""Opens what sends webhooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.custody.webhook_keys import WebhookKeys
from app.db.engine import Database
from app.domains.webhooks.sender import Sender
from app.process.outbound import outbound_of
from app.settings import Settings
from app.worker.delivering import GRACE, Deliverer, DeliveryMetrics


@asynccontextmanager
async def open_deliverer(
    settings: Settings,
    database: Database,
    keys: WebhookKeys,
    metrics: DeliveryMetrics | None = None,
    *,
    grace: float = GRACE,
) -> AsyncIterator[Deliverer]:
    """Yield the deliverer; at the end, attempts in flight get `grace` seconds.

    It takes no proxy: a proxy would look up names itself, and connect to what nobody has judged.
    """
    allowed = settings.webhook_exceptions
    deliverer = Deliverer(
        database.sessions,
        keys,
        Sender(outbound_of(settings).tls, allowed),
        allowed,
        metrics or DeliveryMetrics(),
        grace=grace,
    )
    try:
        yield deliverer
    finally:
        await deliverer.close()
