"""`make bench` and what is done with its results.

    python -m benchmarks                   measures all, prints a table, writes JSON and plots
    python -m benchmarks --quick           the same, short and inexact
    python -m benchmarks keep 0.1.0        keeps the last results under a name
    python -m benchmarks compare 0.1.0 last

It exits with 1 if a budget is missed or something could not be measured, and with 2 if none is
missed but rounds disagree whether one is kept, and their median does not keep it.
"""

import logging
import time
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from benchmarks import comparing, results
from benchmarks.installation import installation
from benchmarks.latency import measure_latency
from benchmarks.measures import MEASURES, chosen
from benchmarks.output import MISSED, console, exit_status, report_drawn, warn_if_busy
from benchmarks.plots import draw, draw_kept
from benchmarks.report import Row, document, machine, table

program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@program.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    *,
    output: Annotated[Path, typer.Option(help="Where the JSON goes, and plots beside it.")] = (
        results.LAST_BENCH
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Short and inexact, to try it.")] = False,
    only: Annotated[
        str,
        typer.Option(help=f"Some of: {', '.join(measure.name for measure in MEASURES)}, latency."),
    ] = "",
    budget: Annotated[
        bool, typer.Option(help="Whether a missed budget is a failure, or only reported.")
    ] = True,
) -> None:
    """Measure the service against what the same machine does by hand."""
    if context.invoked_subcommand is not None:
        return
    shown = console()
    try:
        with_latency, measures = _chosen(only)
    except ValueError as unknown:
        raise typer.BadParameter(f"{unknown}, latency") from None
    # Parts of the service that run in this process would tell what they do between the lines.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    began = time.monotonic()
    rows: list[Row] = []
    took: dict[str, float] = {}
    failed: dict[str, str] = {}
    with installation() as ready:
        facts = machine(ready.postgres_version)
        warn_if_busy(shown, facts)
        for measure in measures:
            since = time.monotonic()
            try:
                rows += measure.run(ready, quick)
            except Exception as failure:  # noqa: BLE001  # what else there is, is measured
                failed[measure.name] = f"{type(failure).__name__}: {failure}"
                shown.print(f"{measure.name} failed: {failed[measure.name]}", style="bold red")
            took[measure.name] = time.monotonic() - since
            shown.print(f"{measure.name}: {took[measure.name]:.0f} s", style="dim")
        since = time.monotonic()
        curves = measure_latency(ready, quick=quick) if with_latency else []
        took["latency"] = time.monotonic() - since
    facts |= {
        "quick": quick,
        "seconds": round(time.monotonic() - began),
        "seconds_of_parts": {name: round(seconds, 1) for name, seconds in took.items()},
    }
    shown.print(table(rows, facts))
    written = document(rows, facts) | {
        "latency": [curve.as_json() for curve in curves],
        "failed": failed,
    }
    results.write(output, written)
    shown.print(f"Written to {output} after {facts['seconds']} s.")
    report_drawn(shown, draw(written, output.with_suffix("")))
    raise typer.Exit(MISSED if failed else exit_status(rows, heed_budget=budget))


def _chosen(only: str) -> tuple[bool, Any]:
    """Return whether to measure latency against load, and the other measures."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    others = [name for name in names if name != "latency"]
    return not names or "latency" in names, chosen(",".join(others)) if others or not names else ()


@program.command()
def keep(
    name: Annotated[str, typer.Argument(help="The release or commit that was measured.")],
) -> None:
    """Keep the last results, also those of peers, and draw the plots of docs/benchmarks.md."""
    shown = console()
    try:
        path = results.keep(name)
    except results.NoResults as nothing:
        _fail(shown, str(nothing))
    shown.print(f"Kept in {path}.")
    report_drawn(shown, draw_kept(results.read(path)))
    shown.print("`make documents` writes them into docs/benchmarks.md.")


@program.command()
def compare(
    before: Annotated[str, typer.Argument(help="A kept name, a JSON file, or `last`.")],
    after: Annotated[str, typer.Argument(help="Likewise.")] = "last",
) -> None:
    """Compare two results; exit with 1 if a ratio got worse by more than its rounds differ."""
    shown = console()
    try:
        compared = comparing.compare(results.named(before), results.named(after))
    except results.NoResults as nothing:
        _fail(shown, str(nothing))
    shown.print(comparing.table(compared, before, after))
    raise typer.Exit(int(any(one.change == "worse" for one in compared)))


def _fail(shown: Console, sentence: str) -> None:
    shown.print(sentence, style="red")
    raise typer.Exit(MISSED)


if __name__ == "__main__":
    program()
