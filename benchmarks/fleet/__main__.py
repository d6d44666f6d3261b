"""`python -m benchmarks.fleet`: how many bots this machine can carry, and what storms do to it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import results
from benchmarks.fleet.measuring import FULL, QUICK, measure_fleet
from benchmarks.installation import installation
from benchmarks.report import document, machine, table


def fleet(
    *,
    output: Annotated[Path, typer.Option(help="Where the JSON goes.")] = results.LAST_FLEET,
    quick: Annotated[
        bool, typer.Option("--quick", help="1,000 bots instead of 20,000, to try it.")
    ] = False,
    budget: Annotated[
        bool, typer.Option(help="Whether a missed budget is a failure, or only reported.")
    ] = True,
) -> None:
    """Hold a fleet of bots, measure what each costs, and let them all reconnect at once."""
    with installation() as ready:
        facts = machine(ready.postgres_version) | {"quick": quick}
        rows = measure_fleet(ready, QUICK if quick else FULL)
    console = Console(width=160)
    console.print(table(rows, facts))
    results.write(output, document(rows, facts))
    console.print(f"Written to {output}.")
    raise typer.Exit(int(budget and not all(row.within for row in rows)))


if __name__ == "__main__":
    typer.run(fleet)
