"""Peers side by side: a table for people, JSON for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.load import Measured
from benchmarks.peers.candidate import Candidate, Memory
from benchmarks.report import Row
from benchmarks.report import document as document_of_rows
from benchmarks.spread import spread


def entry(candidate: Candidate, rounds: Sequence[Measured], memory: Memory) -> dict[str, Any]:
    """Return what was measured of one kind of request: medians of the rounds."""
    rates = [one.per_second for one in rounds]
    return {
        "peer": candidate.peer,
        "what": candidate.what,
        "per_second": median(rates),
        "spread": asdict(spread(rates)),
        "p50": median(one.p50 for one in rounds),
        "p99": median(one.p99 for one in rounds),
        "memory_mib": memory.proportional,
        "resident_mib": memory.resident,
        "note": candidate.note(),
        "durable": candidate.durable,
        "protects": asdict(candidate.protection),
        "rounds": rates,
    }


def document(
    measured: Sequence[Mapping[str, Any]],
    skipped: Mapping[str, str],
    goals: Sequence[Row],
    facts: dict[str, Any],
) -> dict[str, Any]:
    rows = document_of_rows(list(goals), facts)
    return {
        "machine": facts,
        "measured": list(measured),
        "skipped": dict(skipped),
        "goals": rows["rows"],
    }


def table(measured: Sequence[Mapping[str, Any]], skipped: Mapping[str, str]) -> Table:
    made = Table(title="Peers, 16 connections each", title_justify="left", show_lines=True)
    made.add_column("peer")
    made.add_column("what")
    for name in ("requests/s", "p50 ms", "p99 ms", "memory MiB"):
        made.add_column(name, justify="right")
    made.add_column("durable")
    made.add_column("protects at rest")
    for one in measured:
        made.add_row(
            one["peer"],
            "\n".join(filter(None, [one["what"], one["note"]])),
            f"{one['per_second']:,.0f}" if one["per_second"] >= 100 else f"{one['per_second']:.1f}",
            f"{one['p50']:.2f}",
            f"{one['p99']:.2f}",
            f"{one['memory_mib']:.0f}",
            one["durable"],
            one["protects"]["at_rest"],
        )
    for peer, reason in skipped.items():
        made.add_row(peer, f"skipped: {reason}", "", "", "", "", "", "")
    return made
