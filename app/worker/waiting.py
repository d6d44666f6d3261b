"""What the tasks have before them, as gauges: catalogues, operations, days, deliveries."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Float, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Catalogue, Operation, StaleDay, WebhookDelivery
from app.db.models.deletion import KINDS, UNFINISHED
from app.worker.gauges import MOST, Family, Gauges, Sample

_AGE = Family(
    "botkeys_catalogue_age_seconds",
    "Age of the oldest catalogue of an exchange: of its instruments, or of its prices",
    ("exchange", "environment", "data"),
)
_UNFETCHED = Family(
    "botkeys_catalogues_unfetched",
    "Catalogues that were asked for and never fetched",
    ("exchange", "environment"),
)
_FAILING = Family(
    "botkeys_catalogues_failing",
    "Catalogues whose last fetch failed",
    ("exchange", "environment"),
)
_PENDING = Family(
    "botkeys_operations_pending",
    f"Operations that have not ended, counted up to {MOST:,}",
    ("kind",),
)
_PENDING_AGE = Family(
    "botkeys_operations_oldest_age_seconds",
    "Age of the oldest operation that has not ended; 0 without any",
    ("kind",),
)
_STALE_AGE = Family(
    "botkeys_rollups_oldest_age_seconds",
    "How long the oldest change has waited for its day to be recomputed; 0 without any",
)

_DUE = Family(
    "botkeys_webhook_deliveries_due",
    f"Deliveries to webhooks that are due and not being attempted, counted up to {MOST:,}",
)
_DUE_AGE = Family(
    "botkeys_webhook_deliveries_oldest_due_seconds",
    "For how long the oldest delivery to a webhook has been due; 0 without any",
)

NO_ENDPOINT = "no_endpoint"
"""The failure of a catalogue that its exchange does not have."""


def _age(moment: object) -> ColumnElement[float]:
    return cast(func.extract("epoch", func.clock_timestamp() - moment), Float)


async def _read_catalogues(session: AsyncSession) -> Iterable[Sample]:
    """Read the catalogues, a few dozen rows, each of which the worker keeps fresh."""
    fetched = or_(
        Catalogue.instruments_fetched_at.is_not(None), Catalogue.prices_fetched_at.is_not(None)
    )
    rows = await session.execute(
        select(
            Catalogue.exchange,
            Catalogue.environment,
            func.max(_age(Catalogue.instruments_fetched_at)).label("instruments"),
            func.max(_age(Catalogue.prices_fetched_at)).label("prices"),
            func.count().filter(~fetched).label("unfetched"),
            func.count().filter(Catalogue.failure.is_not(None)).label("failing"),
        )
        .where(Catalogue.failure.is_distinct_from(NO_ENDPOINT))
        .group_by(Catalogue.exchange, Catalogue.environment)
    )
    samples = []
    for row in rows:
        place = (row.exchange, row.environment)
        samples.append(Sample(_UNFETCHED.name, row.unfetched, place))
        samples.append(Sample(_FAILING.name, row.failing, place))
        for data, age in (("instruments", row.instruments), ("prices", row.prices)):
            if age is not None:
                samples.append(Sample(_AGE.name, age, (*place, data)))
    return samples


async def _read_operations(session: AsyncSession) -> Iterable[Sample]:
    waiting = (
        select(Operation.kind, Operation.created_at)
        .where(UNFINISHED)
        .order_by(Operation.created_at)
        .limit(MOST)
        .subquery()
    )
    rows: Sequence[tuple[str, int, float]] = [
        (kind, count, age)
        for kind, count, age in await session.execute(
            select(waiting.c.kind, func.count(), func.max(_age(waiting.c.created_at))).group_by(
                waiting.c.kind
            )
        )
    ]
    found = {kind: (count, age) for kind, count, age in rows}
    samples = []
    for kind in KINDS:
        count, age = found.get(kind, (0, 0.0))
        samples += [Sample(_PENDING.name, count, (kind,)), Sample(_PENDING_AGE.name, age, (kind,))]
    return samples


async def _read_stale_days(session: AsyncSession) -> Iterable[Sample]:
    age = await session.scalar(select(_age(func.min(StaleDay.marked_at))))
    return [Sample(_STALE_AGE.name, age or 0.0)]


async def _read_outbox(session: AsyncSession) -> Iterable[Sample]:
    now = func.statement_timestamp()
    due = (
        select(WebhookDelivery.next_attempt_at)
        .where(WebhookDelivery.status == "pending", WebhookDelivery.next_attempt_at <= now)
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(MOST)
        .subquery()
    )
    query = select(func.count(), func.max(_age(due.c.next_attempt_at)))
    count, age = (await session.execute(query)).one()
    return [Sample(_DUE.name, count), Sample(_DUE_AGE.name, age or 0.0)]


CATALOGUES = Gauges((_AGE, _UNFETCHED, _FAILING), _read_catalogues)
OPERATIONS = Gauges((_PENDING, _PENDING_AGE), _read_operations)
STALE_DAYS = Gauges((_STALE_AGE,), _read_stale_days)
OUTBOX = Gauges((_DUE, _DUE_AGE), _read_outbox)
