"""Every route that changes something writes an event, once, in the transaction of the change."""

from typing import Any

import pytest
from sqlalchemy import ColumnElement, literal_column, select

from app.db.models import AuditEvent, Event, Key, Position, Presence
from app.settings import Role
from tests.support.routes import LESSONS, RouteUnderTest, routes_of, set_up, user_of
from tests.support.world import World

_WIRING = "where the account's events are sent, which the audit log has"
WITHOUT = {
    "addWebhook": _WIRING,
    "changeWebhook": _WIRING,
    "deleteWebhook": _WIRING,
    "replayWebhookDelivery": _WIRING,
    "rotateWebhookSecret": _WIRING,
    "testWebhook": _WIRING,
    "changeAccount": "what the user's own page shows: the selected environment, the time zone",
    "endOtherSessions": "who is signed in to the dashboard, which the audit log has",
    "endSession": "who is signed in to the dashboard, which the audit log has",
    "refreshInstruments": "public data of an exchange, which belong to no account",
    "releaseCredentials": "what a bot does each time that it starts; a new address is an event",
    "reportEquitySnapshots": "trading data, many in a second",
    "reportEvents": "trading data, many in a second",
    "reportFunding": "trading data, many in a second",
    "reportOrders": "a count that each bot repeats while orders rest",
    "reportSignals": "trading data, many in a second",
    "reportTrades": "trading data, many in a second",
}
"""The routes that write no event, and why."""

CHANGING = [route for route in routes_of(Role.ALL) if route.method != "GET"]
_CHANGES = (AuditEvent, Position, Key, Presence)
_TRANSACTION: ColumnElement[str] = literal_column("xmin::text")


async def transactions(world: World, *models: Any) -> list[str]:
    """Return the transactions that wrote the rows of these tables, a savepoint each."""
    found: list[str] = []
    async with world.context.database.sessions() as session:
        for model in models:
            query = select(_TRANSACTION).select_from(model)
            found += (await session.scalars(query)).all()
    return found


def test_only_routes_that_exist_write_no_event() -> None:
    assert WITHOUT.keys() <= {route.operation_id for route in CHANGING}


@pytest.mark.parametrize("route", CHANGING, ids=lambda route: route.operation_id)
async def test_a_change_writes_its_event_with_what_it_changes_and_a_repeat_none(
    world: World, route: RouteUnderTest
) -> None:
    """Rule R75."""
    stage = await set_up(world, route)
    if route.operation_id == "cancelOperation":
        await LESSONS["listRefusedRows"](stage, user_of(stage))
    before = await transactions(world, Event)
    headers = {"Idempotency-Key": "once"} if route.access.replayable else {}

    answer = await stage.call(**headers)

    assert answer.is_success, answer.text
    written = sorted(await transactions(world, Event))
    new = set(written) - set(before)
    assert bool(new) == (route.operation_id not in WITHOUT)
    assert new <= set(await transactions(world, *_CHANGES))
    if route.access.replayable:
        assert (await stage.call(**headers)).is_success
        assert sorted(await transactions(world, Event)) == written
