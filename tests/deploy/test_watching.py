"""The dashboard and the alerts ask for metrics that exist, and each alert has a test."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from scripts.metric_table import metrics
from tests.deploy.deployed import DEPLOY, PROCESSES_WATCHED

PROMETHEUS = DEPLOY / "prometheus"
ADDED = {"job", "instance", "role"}
"""Labels that Prometheus adds, as deploy/prometheus/prometheus.yaml has it."""
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
_SELECTOR = re.compile(r"\b(up|botkeys_\w+)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"')


def known() -> dict[str, set[str]]:
    """Return the labels of each series that the processes have."""
    found: dict[str, set[str]] = {"up": set()}
    for metric in metrics():
        for suffix in SUFFIXES[metric.type]:
            extra = {"le"} if suffix == "_bucket" else set()
            found[metric.name + suffix] = {*metric.labels, *extra}
    return found


def faults(expression: str, series: dict[str, set[str]]) -> Iterator[str]:
    """Yield what an expression asks for that no process has."""
    for name, matchers in _SELECTOR.findall(expression):
        if name not in series:
            yield name
        else:
            used = set(_MATCHER.findall(matchers))
            yield from (f"{name}{{{label}}}" for label in used - series[name] - ADDED)


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((DEPLOY / "grafana" / "botkeys.json").read_text())
    found: list[dict[str, Any]] = dashboard["panels"]
    return found


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    series = known()
    expressions = [one["expr"] for panel in panels() for one in panel.get("targets", [])]
    assert len(expressions) > 20
    assert [fault for one in expressions for fault in faults(one, series)] == []


def test_every_metric_is_on_the_dashboard() -> None:
    shown = json.dumps(panels())
    assert [metric.name for metric in metrics() if metric.name not in shown] == []


def test_the_dashboard_can_be_loaded() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "botkeys.json").read_text())
    assert {"uid", "title", "schemaVersion", "panels", "templating"} <= dashboard.keys()
    assert "id" not in dashboard  # Grafana gives one
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"]
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(panel)))
        assert used <= variables | {"__rate_interval"}


def test_alerts_ask_for_metrics_that_exist_and_say_what_to_do() -> None:
    series = known()
    for rule in rules():
        assert list(faults(rule["expr"], series)) == [], rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    cases = yaml.safe_load((PROMETHEUS / "alerts.test.yaml").read_text())["tests"]
    firing = [
        case["name"]
        for case in cases
        if any(one["exp_samples"] for one in case["promql_expr_test"])
        and any(not one["exp_samples"] for one in case["promql_expr_test"])
    ]
    assert firing == [rule["alert"] for rule in rules()]


def test_prometheus_asks_every_process_of_compose() -> None:
    [job] = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())["scrape_configs"]
    asked = {
        target.removesuffix(":8001"): group["labels"]["role"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    assert asked == PROCESSES_WATCHED
