"""What the benchmarks report, and when they report a missed budget."""

import io

import pytest
from rich.console import Console

from benchmarks.report import Row, document, machine, table


@pytest.mark.parametrize(
    ("kind", "budget", "value", "within"),
    [
        ("at least", 0.6, 0.6, True),
        ("at least", 0.6, 0.59, False),
        ("at most", 150, 150, True),
        ("at most", 150, 150.1, False),
        ("at most", None, 1e9, True),
    ],
)
def test_a_row_knows_whether_it_is_within_its_budget(
    kind: str, budget: float | None, value: float, within: bool
) -> None:
    assert Row("what", value, "MiB", kind, budget).within is within  # type: ignore[arg-type]


def test_the_table_names_what_was_missed() -> None:
    rows = [
        Row.of_rounds(
            "list 50 keys", [0.40, 0.41, 0.42], "of the floor", "at least", 0.6, {"bytes": 9}
        ),
        Row.of_rounds("search", [0.5, 0.59, 0.7], "of the SQL", "at least", 0.6),
        Row("memory", 120.0, "MiB", "at most", 150),
    ]
    output = io.StringIO()

    Console(file=output, width=180).print(table(rows, machine("18.4")))

    listed = {line for line in output.getvalue().splitlines() if "│" in line}
    (ratio,) = (line for line in listed if "list 50 keys" in line)
    (search,) = (line for line in listed if "search" in line)
    (memory,) = (line for line in listed if "memory" in line)
    assert "0.41 of the floor" in ratio
    assert "missed" in ratio
    assert "0.40 to 0.42 (75%)" in ratio
    assert "bytes 9" in ratio
    assert "unclear" in search
    assert "ok" in memory


def test_the_document_tells_machine_rows_and_verdicts() -> None:
    rows = [
        Row("memory", 160.0, "MiB", "at most", 150),
        Row.of_rounds("list", [0.4, 0.7, 0.8], "of the floor", "at least", 0.6),
    ]
    written = document(rows, machine("18.4"))

    assert written["machine"]["postgres"] == "18.4"
    assert {"date", "python", "processors", "load_average", "uvicorn"} <= set(written["machine"])
    assert written["rows"][0]["within"] is False
    assert written["rows"][0]["spread"] is None
    assert written["rows"][1]["verdict"] == "unclear"
    assert written["rows"][1]["spread"] == {
        "median": 0.7,
        "low": 0.4,
        "high": 0.8,
        "confidence": 0.75,
    }
