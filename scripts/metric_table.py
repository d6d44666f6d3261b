"""The table of all metrics, read from the objects that the processes register."""

# ruff: noqa: SLF001  # the client library has no public names for what a metric is

from collections.abc import Iterator
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry

from app.api.pool_metrics import add_pool_metrics
from app.api.telemetry import Metrics, RequestMetrics
from app.worker.delivering import DeliveryMetrics
from app.worker.loop import Task, catalogue_tasks, purge_tasks, webhook_tasks
from app.worker.watch import Watch

HEAD = "| metric | of | type | labels | meaning |\n| --- | --- | --- | --- | --- |\n"


class Metric(NamedTuple):
    name: str
    process: str
    type: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def row(self) -> str:
        labels = ", ".join(f"`{label}`" for label in self.labels)
        return f"| `{self.name}` | {self.process} | {self.type} | {labels} | {self.meaning} |\n"


def metrics() -> list[Metric]:
    """Return the metrics of all processes, by process."""
    everywhere, pool = RequestMetrics().registry, CollectorRegistry()
    add_pool_metrics(pool, None)
    of_all = [*_registered(everywhere, "all"), *_registered(pool, "all")]
    known = {metric.name for metric in of_all}
    attempts = CollectorRegistry()
    DeliveryMetrics().register(attempts)
    of_servers = _registered(Metrics().registry, "api, runtime")
    return [
        *of_all,
        *(one for one in of_servers if one.name not in known),
        *_registered(Watch().registry, "worker"),
        *_read_from_database(catalogue_tasks(_NOTHING, _NOTHING), "worker `catalogue`"),
        *_read_from_database(purge_tasks(_NOTHING), "worker `purge`"),
        *_registered(attempts, "worker `webhooks`"),
        *_read_from_database(webhook_tasks(_NOTHING, _NOTHING), "worker `webhooks`"),
    ]


def _registered(registry: CollectorRegistry, process: str) -> Iterator[Metric]:
    for collector in registry._collector_to_names:
        metric: Any = collector
        name = f"{metric._name}_total" if metric._type == "counter" else metric._name
        labels = tuple(metric._labelnames)
        yield Metric(name, process, metric._type, labels, metric._documentation)


def _read_from_database(tasks: list[Task], process: str) -> Iterator[Metric]:
    for task in tasks:
        for gauges in task.gauges:
            for name, meaning, labels in gauges.families:
                yield Metric(name, process, "gauge", labels, meaning)


class _Nothing:
    """A stand-in for what tasks work on, which nothing here runs."""

    sessions = turn = None


_NOTHING: Any = _Nothing()
