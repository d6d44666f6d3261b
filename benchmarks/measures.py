"""All measurements of the service, in the order in which they run."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.catalogue import measure_refresh, measure_search
from benchmarks.events import measure_events
from benchmarks.ingest import measure_ingest
from benchmarks.installation import Installation
from benchmarks.list_keys import measure as measure_list
from benchmarks.processes import measure_processes
from benchmarks.purging import measure_purge
from benchmarks.report import Row
from benchmarks.rounds import Effort
from benchmarks.runtime import measure as measure_runtime
from benchmarks.signing import measure_signing
from benchmarks.starting import measure_cold_start, measure_help
from benchmarks.streams import measure_stream
from benchmarks.trading import measure_trading

_FULL = Effort()
_QUICK = Effort(rounds=3, warm_up=0.1, seconds=0.4, most_rounds=3)
_QUICK_BOTS = 40
_STARTS = 7


@dataclass(frozen=True, slots=True)
class Measure:
    """One part of the benchmark. `run` is given the installation and whether to be quick."""

    name: str
    run: Callable[[Installation, bool], list[Row]]


def _effort(*, quick: bool) -> Effort:
    return _QUICK if quick else _FULL


MEASURES = (
    Measure("list", lambda ready, quick: measure_list(ready, _effort(quick=quick))),
    Measure(
        "runtime",
        lambda ready, quick: measure_runtime(
            ready, _effort(quick=quick), *((_QUICK_BOTS,) if quick else ())
        ),
    ),
    Measure(
        "processes",
        lambda ready, quick: measure_processes(
            ready, _effort(quick=quick), *((_QUICK_BOTS,) if quick else ())
        ),
    ),
    Measure("ingest", lambda ready, quick: [measure_ingest(ready, 5 if quick else 75)]),
    Measure(
        "events", lambda ready, quick: [measure_events(ready, *((5, 8) if quick else (75, 16)))]
    ),
    Measure("stream", lambda ready, quick: [measure_stream(ready, *((60, 10) if quick else ()))]),
    Measure("search", lambda ready, quick: [measure_search(ready, _effort(quick=quick))]),
    Measure("refresh", lambda ready, _: [measure_refresh(ready)]),
    Measure(
        "trading",
        lambda ready, quick: measure_trading(ready, *((5_000, 1_000) if quick else ())),
    ),
    Measure(
        "purge", lambda ready, quick: [measure_purge(ready, *((5_000, _QUICK) if quick else ()))]
    ),
    Measure("start", lambda ready, quick: [measure_cold_start(ready, 3 if quick else _STARTS)]),
    Measure("help", lambda _, quick: [measure_help(3 if quick else _STARTS)]),
    Measure("signing", lambda _, quick: [measure_signing(*((1, 100) if quick else (5, 300)))]),
)


def chosen(only: str) -> tuple[Measure, ...]:
    """Return the measures with these names, separated by commas; all if none is named.

    Raise `ValueError` for another name.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = {measure.name: measure for measure in MEASURES}
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{', '.join(unknown)} is not measured; choose from {', '.join(known)}")
    return tuple(known[name] for name in names) if names else MEASURES
