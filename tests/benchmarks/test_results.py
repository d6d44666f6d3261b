"""Results that are kept, and two of them compared."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import __main__ as program
from benchmarks import comparing, results
from benchmarks.measures import MEASURES
from benchmarks.report import Row, document

MACHINE = {"date": "2026-11-29T10:00:00+00:00", "processor": "one", "processors": 2}


def measured(
    *rounds: float, unit: str = "of the floor", kind: Any = "at least", processor: str = "one"
) -> dict[str, Any]:
    rows = [Row.of_rounds("list", rounds, unit, kind, 0.5)]
    return document(rows, {**MACHINE, "processor": processor})


def change(before: dict[str, Any], after: dict[str, Any]) -> str:
    (compared,) = comparing.compare(before, after)
    return compared.change


GOOD, LESS = (0.80, 0.81, 0.82, 0.83, 0.84), (0.70, 0.71, 0.72, 0.73, 0.79)


def test_a_ratio_is_worse_once_the_intervals_are_apart() -> None:
    assert change(measured(*GOOD), measured(*LESS)) == "worse"
    assert change(measured(*LESS), measured(*GOOD)) == "better"
    assert change(measured(*GOOD), measured(*LESS[:-1], 0.801)) == "same"
    assert change(measured(*GOOD, kind="at most"), measured(*LESS, kind="at most")) == "better"


def test_what_no_spread_or_another_machine_makes_incomparable_is_not_judged() -> None:
    assert change(measured(0.8), measured(0.1)) == "not judged"
    there = measured(*LESS, unit="ms", processor="another")
    assert change(measured(*GOOD, unit="ms"), there) == "not judged"
    assert change(measured(*GOOD, unit="ms"), measured(*LESS, unit="ms")) == "worse"
    assert change(measured(*GOOD), measured(*LESS, processor="another")) == "worse"
    assert comparing.compare({**measured(0.8), "rows": []}, measured(0.8)) == []


def test_what_is_kept_is_found_by_its_name_and_the_newest_by_its_date(tmp_path: Path) -> None:
    bench, peers, folder = tmp_path / "bench.json", tmp_path / "peers.json", tmp_path / "kept"

    def keep(name: str) -> Path:
        return results.keep(name, parts={"bench": bench, "peers": peers}, folder=folder)

    with pytest.raises(results.NoResults, match="make bench"):
        keep("0.1.0")
    results.write(bench, measured(*GOOD))
    results.write(peers, {"measured": []})
    keep("0.1.0")
    peers.unlink()
    results.write(bench, {**measured(*LESS), "machine": {**MACHINE, "date": "2027-01-01"}})
    keep("0.2.0")

    assert results.named("0.1.0", folder)["rows"][0]["value"] == 0.82
    assert results.newest(folder)[0] == "0.2.0"
    keep("0.1.0")  # what was not measured since stays
    assert results.read(folder / "0.1.0.json")["peers"] == {"measured": []}
    assert results.named("0.1.0", folder) == results.named(str(bench))
    results.write(bench, {**measured(*LESS), "machine": {**MACHINE, "quick": True}})
    with pytest.raises(results.NoResults, match="inexact"):
        keep("0.3.0")
    with pytest.raises(results.NoResults, match="9"):
        results.named("9", folder)


def test_compare_exits_with_1_if_a_ratio_got_worse(tmp_path: Path) -> None:
    good, less = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    results.write(Path(good), {"bench": measured(*GOOD)})
    results.write(Path(less), measured(*LESS))
    runner = CliRunner(env={"COLUMNS": "400", "NO_COLOR": "1"})

    worse = runner.invoke(program.program, ["compare", good, less])
    better = runner.invoke(program.program, ["compare", less, good])
    unknown = runner.invoke(program.program, ["compare", good, str(tmp_path / "nothing.json")])

    assert (worse.exit_code, better.exit_code, unknown.exit_code) == (1, 0, 1)
    assert "worse" in worse.stdout
    assert "better" in better.stdout
    assert isinstance(unknown.exception, SystemExit)
    assert "nothing.json" in unknown.stdout.replace("\n", "")


def test_an_unknown_measure_is_named() -> None:
    with pytest.raises(ValueError, match="lists is not measured; choose from list, "):
        program._chosen("lists,latency")
    assert program._chosen("latency") == (True, ())
    with_latency, (only,) = program._chosen("purge")
    assert (with_latency, only.name) == (False, "purge")
    assert program._chosen("") == (True, MEASURES)


def test_the_help_names_commands_and_options() -> None:
    shown = CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"}).invoke(program.program, ["--help"])
    assert {"keep", "compare", "--only", "--quick"} <= set(shown.stdout.split())
