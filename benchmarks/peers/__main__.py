"""`make bench-peers`: Botkeys beside other programs that keep keys, in one run on one machine.

All are measured in turn, in each round once, by the same load generator over as many connections,
with their data on the same disk. Nothing is paused meanwhile: those that are not asked are idle.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import results
from benchmarks.installation import installation
from benchmarks.load import Measured
from benchmarks.output import console, exit_status, report_drawn, warn_if_busy
from benchmarks.peers import jesse, libraries, openbao, ours
from benchmarks.peers.candidate import Candidate, Skipped
from benchmarks.peers.goals import judged
from benchmarks.peers.load import LoadFailed
from benchmarks.peers.report import document, entry
from benchmarks.peers.report import table as table_of_peers
from benchmarks.plots import draw_peers
from benchmarks.report import machine, table
from benchmarks.rounds import Effort

Start = Callable[[Path], AbstractContextManager[list[Candidate]]]
PEERS: dict[str, Start] = {
    "jesse": jesse.candidates,
    "OpenBao": openbao.candidates,
    "hummingbot's keyfile": libraries.keyfile,
    "api-keys.json": libraries.plain_file,
}
_FULL = Effort(rounds=7, warm_up=0.3, seconds=1.5)
_QUICK = Effort(rounds=2, warm_up=0.1, seconds=0.4)


def bench_peers(
    *,
    output: Annotated[Path, typer.Option(help="Where the JSON goes, and a plot beside it.")] = (
        results.LAST_PEERS
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Short and inexact, to try it.")] = False,
    only: Annotated[str, typer.Option(help=f"Some of: {', '.join(PEERS)}.")] = "",
    budget: Annotated[
        bool, typer.Option(help="Whether a missed goal is a failure, or only reported.")
    ] = True,
) -> None:
    """Measure Botkeys beside its peers, which are installed first."""
    try:
        chosen = _chosen(only)
    except ValueError as unknown:
        raise typer.BadParameter(str(unknown)) from None
    shown = console()
    with installation() as ready, _folder() as folder, ExitStack() as running:
        facts = machine(ready.postgres_version) | {"quick": quick}
        warn_if_busy(shown, facts)
        candidates = running.enter_context(ours.candidates(ready))
        skipped: dict[str, str] = {}
        for number, (peer, start) in enumerate(chosen.items()):
            shown.print(f"starting {peer}", style="dim")
            try:
                candidates += running.enter_context(start(folder / str(number)))
            except Skipped as reason:
                skipped[peer] = str(reason)
        rounds = measure(candidates, _QUICK if quick else _FULL, skipped)
        measured = [
            entry(candidate, rounds[candidate.name], candidate.memory())
            for candidate in candidates
            if candidate.name in rounds
        ]
    goals = judged(rounds)
    shown.print(table_of_peers(measured, skipped))
    shown.print(table(goals, facts))
    written = document(measured, skipped, goals, facts)
    results.write(output, written)
    shown.print(f"Written to {output}.")
    report_drawn(shown, draw_peers(written, output.with_suffix("")))
    raise typer.Exit(exit_status(goals, heed_budget=budget))


def _chosen(only: str) -> dict[str, Start]:
    """Return the peers with these names, separated by commas; all if none is named.

    Raise `ValueError` for another name.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(PEERS)):
        raise ValueError(f"{', '.join(unknown)} is no peer; choose from {', '.join(PEERS)}")
    return {name: PEERS[name] for name in names} or PEERS


def measure(
    candidates: list[Candidate], effort: Effort, skipped: dict[str, str]
) -> dict[str, list[Measured]]:
    """Measure each in turn, round by round, every second one in reversed order.

    What fails under the load is not measured further, and why is added to `skipped`.
    """
    rounds: dict[str, list[Measured]] = {candidate.name: [] for candidate in candidates}
    for number in range(effort.rounds):
        for candidate in reversed(candidates) if number % 2 else candidates:
            if candidate.name not in rounds:
                continue
            candidate.prepare()
            try:
                rounds[candidate.name].append(candidate.measure(effort))
            except LoadFailed as failed:
                del rounds[candidate.name]
                skipped[candidate.name] = f"it failed under this load: {failed}"
    return rounds


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder beside the data of the measured installation, on the same disk."""
    folder = Path(tempfile.mkdtemp(prefix="botkeys-peers-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(bench_peers)
    command()
