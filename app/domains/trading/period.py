"""The period that lists of trading data and analytics are queried for."""

from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import Depends, Query

from app.domains.trading.fields import Moment
from app.errors import InvalidRequest


class Period(NamedTuple):
    """A period. `None` means unbounded; `until` is exclusive."""

    since: datetime | None
    until: datetime | None


async def _period(
    since: Annotated[
        Moment | None,
        Query(alias="from", description="The start of the period, inclusive; not after `to`."),
    ] = None,
    until: Annotated[
        Moment | None, Query(alias="to", description="The end of the period, exclusive.")
    ] = None,
) -> Period:
    if since is not None and until is not None and since > until:
        fault = {
            "loc": ["query", "from"],
            "type": "period_reversed",
            "msg": "`from` must not be later than `to`",
        }
        raise InvalidRequest([fault])
    return Period(since, until)


RequestedPeriod = Annotated[Period, Depends(_period)]
