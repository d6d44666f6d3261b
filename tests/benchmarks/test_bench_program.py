"""The benchmark as a program, short and inexact: it must measure the same work on both sides."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks.fleet import FleetBot
from benchmarks.installation import installation
from benchmarks.list_keys import compare, measure
from benchmarks.report import Row
from benchmarks.rounds import DifferentAnswers, Effort
from benchmarks.runtime import compare_configs
from benchmarks.runtime import measure as measure_runtime
from benchmarks.streams import measure_stream

_ROOT = Path(__file__).resolve().parents[2]


def test_floor_and_service_answer_alike_and_are_both_measured() -> None:
    with installation() as ready:
        ratio, memory = measure(ready, Effort(rounds=1, warm_up=0.05, seconds=0.2))

    assert ratio.name == "list 50 keys"
    assert ratio.value > 0
    assert ratio.details["bytes"] > 10_000
    assert 20 < memory.value < 400


def test_configurations_that_differ_are_not_compared() -> None:
    class Teller:
        def __init__(self, version: str) -> None:
            self.answer = {"version": version, "may_open_positions": True}

        def call(self, *_: object) -> dict[str, object]:
            return self.answer

    bot = FleetBot("account", "bot", "key", "token", "user")
    compare_configs(Teller("a"), Teller("a"), bot)  # type: ignore[arg-type]
    with pytest.raises(DifferentAnswers):
        compare_configs(Teller("a"), Teller("b"), bot)  # type: ignore[arg-type]


def test_different_answers_are_not_compared() -> None:
    class Liar:
        def __init__(self, count: int) -> None:
            self.count = count

        def call(self, *_: object) -> dict[str, list[int]]:
            return {"items": [0] * self.count}

    with pytest.raises(DifferentAnswers):
        compare(Liar(50), Liar(49), "token")  # type: ignore[arg-type]
    with pytest.raises(DifferentAnswers):
        compare(Liar(3), Liar(3), "token")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "heed", "status"), [(0.7, True, 0), (0.5, True, 1), (0.5, False, 0)]
)
def test_a_missed_budget_is_the_exit_status_unless_it_is_only_reported(
    value: float, heed: bool, status: int
) -> None:
    rows = [Row("list 50 keys", value, "of the floor", "at least", 0.6)]
    assert program.exit_status(rows, heed_budget=heed) == status


def test_the_help_of_the_program_names_its_options() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=_ROOT,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "--output" in shown
    assert "--no-budget" in shown


def test_the_results_are_written_as_json(tmp_path: Path) -> None:
    rows = [Row("list 50 keys", 0.7, "of the floor", "at least", 0.6)]
    program.write(tmp_path / "deep" / "results.json", rows, {"postgres": "18.4"})
    written = json.loads((tmp_path / "deep" / "results.json").read_text())
    assert written["rows"][0]["value"] == 0.7


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_what_bots_ask_is_the_same_work_on_both_sides_and_changes_reach_their_streams() -> None:
    with installation() as ready:
        rows = measure_runtime(ready, Effort(rounds=1, warm_up=0.05, seconds=1), bots=60)
        stream = measure_stream(ready, bots=5, changes=3)

    assert [row.name for row in rows] == [
        "get config (304)",
        "heartbeat",
        "opening a position",
        "release of credentials",
    ]
    assert all(row.value > 0 for row in rows)
    assert stream.details["changes"] == 3
