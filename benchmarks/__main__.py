"""`make bench`: measures, prints a table, writes JSON; exits with 1 if a budget is missed."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.catalogue import measure_refresh, measure_search
from benchmarks.ingest import measure_ingest
from benchmarks.installation import installation
from benchmarks.list_keys import measure as measure_list
from benchmarks.purging import measure_purge
from benchmarks.report import Row, document, machine, table
from benchmarks.rounds import Effort
from benchmarks.runtime import measure as measure_runtime
from benchmarks.signing import measure_signing
from benchmarks.starting import measure_cold_start, measure_help
from benchmarks.streams import measure_stream
from benchmarks.trading import measure_trading

_FULL, _QUICK = Effort(), Effort(rounds=3, warm_up=0.3, seconds=1.0)
_BOTS = Effort(rounds=5, warm_up=0.5, seconds=2.0)
_STARTS = 5


def bench(
    *,
    output: Annotated[Path, typer.Option(help="Where the JSON goes.")] = Path(
        "benchmarks/results.json"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Short and inexact, to try it.")] = False,
    budget: Annotated[
        bool, typer.Option(help="Whether a missed budget is a failure, or only reported.")
    ] = True,
) -> None:
    """Measure the service against what the same machine does by hand."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    with installation() as ready:
        facts = machine(ready.postgres_version)
        rows = measure_list(ready, _QUICK if quick else _FULL)
        rows += measure_runtime(ready, _QUICK if quick else _BOTS)
        rows.append(measure_ingest(ready, 3 if quick else 25))
        rows.append(measure_stream(ready, *((100, 20) if quick else ())))
        rows.append(measure_search(ready, _QUICK if quick else _FULL))
        rows.append(measure_refresh(ready))
        rows += measure_trading(ready, *((20_000, 2_000) if quick else ()))
        rows.append(measure_purge(ready, *((20_000, 1) if quick else ())))
        rows.append(measure_cold_start(ready, 1 if quick else _STARTS))
    rows.append(measure_help(1 if quick else _STARTS))
    rows.append(measure_signing(*((1, 100) if quick else (5, 1_000))))
    console.print(table(rows, facts))
    write(output, rows, facts)
    console.print(f"Written to {output}.")
    raise typer.Exit(exit_status(rows, heed_budget=budget))


def write(output: Path, rows: list[Row], facts: dict[str, Any]) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(document(rows, facts), indent=2) + "\n")


def exit_status(rows: list[Row], *, heed_budget: bool) -> int:
    return int(heed_budget and not all(row.within for row in rows))


if __name__ == "__main__":
    typer.run(bench)
