"""Gauges of what waits in the database, read when somebody asks for the worker's metrics.

A task names its gauges in `app.worker.loop`. Reading `/metrics` must not cost the database anything
that grows: each reading is one statement that an index answers, or one that counts up to a limit,
and its result is returned again for some seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.failures import is_of_database
from app.kit.recent import Recent

FRESH = 5.0
"""How long a reading is returned again, in seconds."""

READ_SECONDS = 2.0
"""How long one reading may take; gauges that were not read in time are left out."""

MOST = 10_000
"""How many waiting rows are counted at most."""

log = structlog.get_logger("botkeys.worker")


class Family(NamedTuple):
    """A gauge's name, what it means, and the names of its labels."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """A value of the gauge `name`, with a value for each of its labels."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gauges:
    """Gauges that one statement reads. The session is one for reading."""

    families: tuple[Family, ...]
    read: Callable[[AsyncSession], Awaitable[Iterable[Sample]]]


class GaugeReader(Collector):
    """The gauges of a worker's tasks: `refresh` reads them, and `collect` returns what was read."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        gauges: Sequence[Gauges],
        seconds: float = FRESH,
    ) -> None:
        self._sessions = sessions
        self._gauges = gauges
        self._read: list[tuple[Gauges, list[Sample]]] = []
        self._recent = Recent(self._read_all, seconds)

    async def refresh(self) -> None:
        await self._recent.get()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for gauges, samples in self._read:
            for name, meaning, labels in gauges.families:
                family = GaugeMetricFamily(name, meaning, labels=labels)
                for sample in samples:
                    if sample.name == name:
                        family.add_metric(sample.labels, sample.value)
                yield family

    async def _read_all(self) -> None:
        found = []
        for gauges in self._gauges:
            try:
                async with asyncio.timeout(READ_SECONDS), self._sessions() as session:
                    found.append((gauges, list(await gauges.read(session))))
            except Exception as error:
                if not is_of_database(error):
                    raise
                # Rather no value than an old one, which would look as if nothing got worse.
                names = [family.name for family in gauges.families]
                log.warning("gauges_not_read", gauges=names, exception=type(error).__name__)
        self._read = found
