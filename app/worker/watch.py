"""What can be seen of a worker: the pulse of each task, and its metrics."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


@dataclass(slots=True)
class Pulse:
    """When a task last showed that it goes on.

    `beaten` is the time of the last beat within a turn, `None` between turns. `failure` is the
    kind of error that ended the last turn. `ended`: the task will not be run again.
    """

    beaten: float | None = None
    failure: str | None = None
    ended: bool = False

    def quiet_seconds(self) -> float:
        """Return for how long a turn has been running without a beat."""
        return 0.0 if self.beaten is None else time.monotonic() - self.beaten


_PULSE: ContextVar[Pulse | None] = ContextVar("pulse", default=None)


def beat() -> None:
    """Show that the running turn goes on: called after each unit of its work.

    A turn may take hours, as a purge of many rows does; a unit takes some statements or one call
    to another service. A worker of which a turn does not beat for minutes is not alive.
    """
    pulse = _PULSE.get()
    if pulse is not None:
        pulse.beaten = time.monotonic()


@dataclass(slots=True)
class Watch:
    """The pulses and metrics of a worker's tasks."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    pulses: dict[str, Pulse] = field(default_factory=dict)
    turns: Histogram = field(init=False)
    failures: Counter = field(init=False)
    units: Counter = field(init=False)
    success: Gauge = field(init=False)

    def __post_init__(self) -> None:
        self.turns = Histogram(
            "botkeys_worker_turn_seconds",
            "Duration of a task's turn; the count is the number of turns",
            ["task"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.failures = Counter(
            "botkeys_worker_turn_failures_total",
            "Turns of a task that the database ended; the next turn tries again",
            ["task"],
            registry=self.registry,
        )
        self.units = Counter(
            "botkeys_worker_units_total",
            "Units that a task has completed: catalogues, rows, days, bots, keys or operations",
            ["task"],
            registry=self.registry,
        )
        self.success = Gauge(
            "botkeys_worker_last_success_timestamp_seconds",
            "When a turn of a task last ended well, in Unix time",
            ["task"],
            registry=self.registry,
        )

    def begin(self, task: str) -> Pulse:
        """Return the pulse of a task that is about to run, as what `beat` finds from here on."""
        pulse = self.pulses[task] = Pulse()
        _PULSE.set(pulse)
        for metric in (self.turns, self.failures, self.units):
            metric.labels(task)
        return pulse

    def succeeded(self, task: str, seconds: float, units: int) -> None:
        self.turns.labels(task).observe(seconds)
        self.units.labels(task).inc(units)
        self.success.labels(task).set_to_current_time()

    def failed(self, task: str, seconds: float) -> None:
        self.turns.labels(task).observe(seconds)
        self.failures.labels(task).inc()

    def stuck(self, seconds: float) -> list[str]:
        """Return the tasks that have ended, or whose turn has not beaten for so long."""
        return [
            name
            for name, pulse in self.pulses.items()
            if pulse.ended or pulse.quiet_seconds() > seconds
        ]

    def failing(self) -> dict[str, str]:
        """Return the tasks whose last turn failed, with the kind of the error."""
        return {name: pulse.failure for name, pulse in self.pulses.items() if pulse.failure}
