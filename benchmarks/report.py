"""Measured values beside their budgets: a table for people, JSON for programs."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rich.table import Table
from rich.text import Text

from benchmarks.spread import Kind, Spread, Verdict, keeps, spread

_PACKAGES = ("asyncpg", "fastapi", "orjson", "pydantic", "sqlalchemy", "starlette", "uvicorn")
_COLOURS = {Verdict.KEPT: "green", Verdict.UNCLEAR: "yellow", Verdict.MISSED: "bold red"}
_BUSY = 0.5
"""Load for each processor above which other work disturbs the figures."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value and its budget; `None` means without a budget.

    `kind` is `at least` for ratios to a floor and `at most` for seconds and memory. `details` are
    the figures behind the value, `rounds` the values whose median it is; without rounds, nothing
    says how sure it is.
    """

    name: str
    value: float
    unit: str
    kind: Kind
    budget: float | None
    details: dict[str, Any] = field(default_factory=dict)
    rounds: tuple[float, ...] = ()

    @classmethod
    def of_rounds(
        cls,
        name: str,
        rounds: Sequence[float],
        unit: str,
        kind: Kind,
        budget: float | None,
        details: dict[str, Any] | None = None,
    ) -> Self:
        """Return the row whose value is the rounds' median."""
        value = spread(rounds).median
        return cls(name, value, unit, kind, budget, details or {}, tuple(rounds))

    @property
    def within(self) -> bool:
        """Return whether the value, which may be an unclear median, keeps the budget."""
        return self.budget is None or keeps(self.value, self.kind, self.budget)

    @property
    def spread(self) -> Spread:
        return spread(self.rounds or (self.value,))

    @property
    def verdict(self) -> Verdict | None:
        return None if self.budget is None else self.spread.verdict(self.kind, self.budget)

    @property
    def interval(self) -> str:
        """Return the interval that holds the true value, and how sure that is."""
        if len(self.rounds) < 2:
            return ""
        found = self.spread
        return f"{found.low:.2f} to {found.high:.2f} ({found.confidence:.0%})"


def machine(postgres_version: str) -> dict[str, Any]:
    """Return a description of the machine, without which the numbers cannot be compared."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "botkeys": importlib.metadata.version("botkeys-server"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "processors": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "postgres": postgres_version,
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def is_busy(facts: dict[str, Any]) -> bool:
    """Return whether something else had the processors when the measurements began."""
    return bool(facts["load_average"][0] > _BUSY * (facts["processors"] or 1))


def _commit() -> str:
    """Return the commit of the sources, with a plus if they differ from it; empty without git."""
    command = ("git", "-C", Path(__file__).parent, "describe", "--always", "--dirty=+")
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # constants
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()


def _processor() -> str:
    """Return the processor's name as Linux knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def table(rows: list[Row], facts: dict[str, Any]) -> Table:
    title = (
        f"Botkeys on Python {facts['python']}, PostgreSQL {facts['postgres']}, "
        f"{facts['processors']} processors, load {facts['load_average'][0]}"
    )
    made = Table(title=title, title_justify="left")
    for name in ("what", "measured", "spread", "budget", ""):
        made.add_column(name, justify="left" if name in {"what", ""} else "right")
    made.add_column("made of")
    for row in rows:
        budget = "" if row.budget is None else f"{row.kind} {row.budget:g} {row.unit}".strip()
        details = ", ".join(f"{name} {value}" for name, value in row.details.items())
        made.add_row(
            row.name,
            f"{row.value:.2f} {row.unit}".strip(),
            row.interval,
            budget,
            "" if row.verdict is None else Text(row.verdict, _COLOURS[row.verdict]),
            details,
        )
    return made


def document(rows: list[Row], facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": facts,
        "rows": [
            {**asdict(row), "within": row.within, "verdict": row.verdict, "spread": _spread(row)}
            for row in rows
        ],
    }


def _spread(row: Row) -> dict[str, float] | None:
    return asdict(row.spread) if len(row.rounds) > 1 else None
