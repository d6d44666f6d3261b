"""Refreshes catalogues: each by one refresh at a time, across all processes.

A refresh claims its catalogue in a short transaction, calls the exchange outside any transaction,
and stores the differences in another one. A failure keeps the old data and records the reason.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import structlog

from app.db.engine import Database
from app.db.failures import is_of_database
from app.domains.catalogue.repository import CatalogueKey, CatalogueRepository, State
from botkeys.exchanges.errors import (
    BadPayload,
    ExchangeError,
    NoEndpoint,
    RateLimited,
    Refused,
    unclear_reason,
)
from botkeys.exchanges.model import Instrument, Ticker
from botkeys.exchanges.registry import Exchanges

FETCH_SECONDS = 30.0
WAIT_SECONDS = 5.0
RETRY_SECONDS = 10.0
"""How long after an attempt no request causes another call to the exchange."""

_LOOK_AGAIN = 0.1
log = structlog.get_logger("botkeys.catalogue")


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often prices and instruments are fetched. Data older than three intervals are stale."""

    prices: timedelta
    instruments: timedelta


@dataclass(frozen=True, slots=True)
class _Fetched:
    instruments: Sequence[Instrument] | None = None
    tickers: Sequence[Ticker] | None = None
    failure: str | None = None


def _reason(error: Exception) -> str:
    match error:
        case NoEndpoint():
            return "no_endpoint"
        case RateLimited():
            return "rate_limited"
        case BadPayload() | Refused():
            return unclear_reason(error)
        case _:
            return "no_answer"


def just_tried(state: State) -> bool:
    return state.attempt_age is not None and state.attempt_age < RETRY_SECONDS


def instruments_worth_waiting(state: State | None) -> bool:
    """Return whether a never-fetched catalogue is being fetched now, or may be tried now."""
    return state is None or (
        state.instruments_age is None and (state.claimed or not just_tried(state))
    )


class CatalogueRefresher:
    """The refresher of a process. `background=False` disables fetches that no caller waits for
    (tests).
    """

    def __init__(
        self,
        database: Database,
        exchanges: Exchanges,
        intervals: Intervals,
        *,
        background: bool = True,
    ) -> None:
        self._database = database
        self._exchanges = exchanges
        self.intervals = intervals
        self._background = background
        self._flights: dict[CatalogueKey, asyncio.Task[None]] = {}
        self._starting: set[asyncio.Task[None]] = set()

    def start(self, name: CatalogueKey) -> None:
        """Start fetching the catalogue if it never was, without waiting."""
        if self._background and name not in self._flights:
            starting = asyncio.create_task(self.fetch_if_new(name))
            self._starting.add(starting)
            starting.add_done_callback(self._starting.discard)

    async def fetch_if_new(self, name: CatalogueKey) -> None:
        """Fetch the catalogue unless it was fetched, is being fetched, or just failed.

        A caller that adds key after key cannot cause a call to the exchange for each.
        """
        try:
            async with self._database.sessions() as session:
                state = await CatalogueRepository(session=session).state(name)
        except Exception as error:
            if not is_of_database(error):
                raise
            log.warning("catalogue_not_checked", exception=type(error).__name__)
            return
        if state is None or (
            state.fetched_at is None and not state.claimed and not just_tried(state)
        ):
            await self.refresh(name)

    async def refresh(self, name: CatalogueKey, *, everything: bool = False) -> None:
        """Fetch the catalogue and wait for it, or for a few seconds if another process fetches it.

        However many callers ask at once, the exchange is called once. With `everything`,
        instruments are fetched even if they are not due.
        """
        await asyncio.shield(self._fly(name, everything=everything))

    async def close(self) -> None:
        """Cancel fetches in flight; their claims lapse."""
        flights = [*self._starting, *self._flights.values()]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _fly(self, name: CatalogueKey, *, everything: bool = False) -> asyncio.Task[None]:
        flight = self._flights.get(name)
        if flight is None:
            flight = asyncio.create_task(self._refresh(name, everything=everything))
            self._flights[name] = flight
            flight.add_done_callback(lambda _: self._flights.pop(name, None))
        return flight

    async def _refresh(self, name: CatalogueKey, *, everything: bool) -> None:
        claim, began = uuid4(), asyncio.get_running_loop().time()
        try:
            async with self._database.sessions.begin() as session:
                state = await CatalogueRepository(session=session).claim(name, claim)
            if state is None:
                await self._wait_for_other(name)
                return
            age = state.instruments_age
            due = everything or age is None or age >= self.intervals.instruments.total_seconds()
            fetched = await self._fetch(name, instruments_too=due)
            contracts: list[str] = []
            if fetched.instruments is not None:
                async with self._database.sessions.begin() as session:
                    catalogue = CatalogueRepository(session=session)
                    if not await catalogue.hold(name, claim):
                        return
                    contracts = await catalogue.change_contracts(name, fetched.instruments)
            async with self._database.sessions.begin() as session:
                catalogue = CatalogueRepository(session=session)
                if not await catalogue.hold(name, claim):
                    return
                if fetched.instruments is not None:
                    changed = await catalogue.store_instruments(name, fetched.instruments)
                    changed = list(dict.fromkeys(contracts + changed))
                    # The first fetch notifies all bots: until then they might not have been able to
                    # trade.
                    await catalogue.notify_bots(name, None if age is None else changed)
                if fetched.tickers is not None:
                    await catalogue.store_prices(name, fetched.tickers)
                await catalogue.finish(
                    name,
                    instruments=fetched.instruments is not None,
                    prices=fetched.tickers is not None,
                    failure=fetched.failure,
                )
            if fetched.failure is None:
                log.info(
                    "catalogue_refreshed",
                    exchange=name.exchange,
                    environment=name.environment,
                    contract_type=name.contract_type,
                    region=name.region,
                    instruments=None if fetched.instruments is None else len(fetched.instruments),
                    prices=len(fetched.tickers or ()),
                    seconds=round(asyncio.get_running_loop().time() - began, 3),
                )
        except Exception as error:
            if not is_of_database(error):
                raise
            log.warning(
                "catalogue_not_stored", exchange=name.exchange, exception=type(error).__name__
            )

    async def _fetch(self, name: CatalogueKey, *, instruments_too: bool) -> _Fetched:
        """Fetch instruments first, since prices of unknown ones are dropped."""
        adapter = self._exchanges.adapter(name.exchange)
        where = (name.environment, name.region, name.contract_type)
        instruments: Sequence[Instrument] | None = None
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                if instruments_too:
                    instruments = await adapter.instruments(*where)
                return _Fetched(instruments, await adapter.tickers(*where))
        except (ExchangeError, TimeoutError) as error:
            failure = _reason(error)
            log.warning(
                "catalogue_not_fetched",
                exchange=name.exchange,
                environment=name.environment,
                reason=failure,
            )
            return _Fetched(instruments, None, failure)

    async def _wait_for_other(self, name: CatalogueKey) -> None:
        """Poll while another process holds the claim, for a few seconds at most."""
        loop = asyncio.get_running_loop()
        end = loop.time() + WAIT_SECONDS
        while loop.time() < end:
            async with self._database.sessions() as session:
                state = await CatalogueRepository(session=session).state(name)
            if state is None or not state.claimed:
                return
            await asyncio.sleep(_LOOK_AGAIN)
