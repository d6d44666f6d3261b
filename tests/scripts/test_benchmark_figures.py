"""The figures of docs/benchmarks.md are those of the results that were kept last."""

from pathlib import Path

from benchmarks import results
from benchmarks.latency import Curve
from benchmarks.open_loop import AtRate
from benchmarks.report import Row, document, machine
from scripts.benchmark_figures import figures


def test_without_results_the_page_says_so(tmp_path: Path) -> None:
    assert figures(tmp_path) == "No results are kept yet.\n"


def test_figures_stand_with_date_machine_interval_and_verdict(tmp_path: Path) -> None:
    facts = machine("18.4") | {"load_average": [0.1], "commit": "abc1234", "processors": 2}
    rows = [
        Row.of_rounds("list 50 keys", [0.7, 0.75, 0.8], "of the floor", "at least", 0.85),
        Row("memory", 134.2, "MiB", "at most", 150),
    ]
    points = [AtRate(100, 100, 200, 2, 4), AtRate(180, 179, 400, 5, 20), AtRate(300, 200, 9, 9, 99)]
    curve = Curve("heartbeat", 200.0, points)
    peer = {
        "peer": "Theirs",
        "what": "write",
        "note": "slow",
        "per_second": 1234.5,
        "p50": 12.34,
        "p99": 120.0,
        "memory_mib": 55.5,
        "durable": "synced",
        "protects": {"at_rest": "a", "in_memory": "b", "audit": "c"},
    }
    bench = document(rows, facts) | {"latency": [curve.as_json()]}
    peers = {"machine": facts, "measured": [peer], "skipped": {"jesse": "no wheel"}, "goals": []}
    results.write(tmp_path / "0.1.0.json", {"bench": bench, "peers": peers})

    text = figures(tmp_path)

    assert "kept as `0.1.0`" in text
    assert "commit `abc1234`" in text
    assert "Other work" not in text
    assert (
        "| list 50 keys | 0.75 of the floor | 0.70 to 0.80 | at least 0.85 | **missed** |" in text
    )
    assert "| memory | 134 MiB |  | at most 150 | ok |" in text
    assert "| heartbeat | 180/s | 2.00 / 4.00 ms | 5.00 / 20.0 ms |" in text
    assert "| Theirs | write; slow | 1,234 | 12.3 ms | 120 ms | 56 MiB | synced |" in text
    assert "| jesse | skipped: no wheel |" in text
    assert "| Theirs | a | b | c |" in text

    bench["machine"] = peers["machine"] = facts | {"load_average": [9.0]}
    results.write(tmp_path / "0.1.0.json", {"bench": bench, "peers": peers})
    assert figures(tmp_path).count("Other work kept the machine busy") == 2
