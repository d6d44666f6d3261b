"""Measured values beside their budgets: a table for people, JSON for programs."""

import importlib.metadata
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

_PACKAGES = ("asyncpg", "fastapi", "orjson", "pydantic", "sqlalchemy", "starlette", "uvicorn")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value and its budget; `None` means without a budget.

    `kind` is `at least` for ratios to a floor and `at most` for seconds and memory. `details` are
    the figures behind the value.
    """

    name: str
    value: float
    unit: str
    kind: Literal["at least", "at most"]
    budget: float | None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def within(self) -> bool:
        if self.budget is None:
            return True
        return self.value >= self.budget if self.kind == "at least" else self.value <= self.budget


def machine(postgres_version: str) -> dict[str, Any]:
    """Return a description of the machine, without which the numbers cannot be compared."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "postgres": postgres_version,
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def table(rows: list[Row], facts: dict[str, Any]) -> Table:
    title = (
        f"Botkeys on Python {facts['python']}, PostgreSQL {facts['postgres']}, "
        f"{facts['processors']} processors, load {facts['load_average'][0]}"
    )
    made = Table(title=title, title_justify="left")
    for name in ("what", "measured", "budget", ""):
        made.add_column(name, justify="left" if name in {"what", ""} else "right")
    made.add_column("made of")
    for row in rows:
        budget = "" if row.budget is None else f"{row.kind} {row.budget:g} {row.unit}".strip()
        verdict = Text("ok", "green") if row.within else Text("missed", "bold red")
        details = ", ".join(f"{name} {value}" for name, value in row.details.items())
        made.add_row(
            row.name,
            f"{row.value:.2f} {row.unit}".strip(),
            budget,
            "" if row.budget is None else verdict,
            details,
        )
    return made


def document(rows: list[Row], facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": facts,
        "rows": [{**asdict(row), "within": row.within} for row in rows],
    }
