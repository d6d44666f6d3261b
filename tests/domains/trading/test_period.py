"""A period that ends before it begins is an error, not an empty result."""

from urllib.parse import urlencode

import pytest

from app.settings import Role
from tests.support.routes import routes_of
from tests.support.world import World

EARLY, LATE = "2026-11-01T00:00:00Z", "2026-11-01T00:00:00.000001Z"
WITH_PERIOD = [
    route.path
    for route in routes_of(Role.ALL)
    if {"from", "to"} <= {parameter["name"] for parameter in route.operation.get("parameters", [])}
]


@pytest.mark.parametrize("path", WITH_PERIOD)
async def test_a_period_whose_end_is_before_its_beginning_is_refused(
    world: World, path: str
) -> None:
    user = world.user()

    answer = await user.get(f"{path}?{urlencode({'from': LATE, 'to': EARLY})}")

    (fault,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (fault["loc"], fault["type"]) == (["query", "from"], "period_reversed")
    for since, until in ((EARLY, LATE), (EARLY, EARLY), (LATE, "2026-11-01T01:00:00.000001+01:00")):
        kept = await user.get(f"{path}?{urlencode({'from': since, 'to': until})}")
        assert (kept.status_code, kept.json()["items"]) == (200, [])


def test_all_lists_of_what_happened_and_analytics_have_a_period() -> None:
    assert len(WITH_PERIOD) == 10
