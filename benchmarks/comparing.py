"""Two results side by side: which ratios changed by more than their rounds differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from benchmarks.spread import Kind, Spread, spread

Change = Literal["better", "same", "worse", "not judged"]
_COLOURS: dict[Change, str] = {
    "better": "green",
    "same": "",
    "worse": "bold red",
    "not judged": "dim",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of both results."""

    name: str
    unit: str
    kind: Kind
    before: Spread
    after: Spread
    judged: bool

    @property
    def change(self) -> Change:
        """Return what changed, if the two intervals are apart; otherwise nothing is known to."""
        if not self.judged:
            return "not judged"
        if not self.before.apart_from(self.after):
            return "same"
        grew = self.after.median > self.before.median
        return "better" if grew == (self.kind == "at least") else "worse"


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Compared]:
    """Return the rows that both results have.

    Ratios are judged on any machine, and other values if the machine is the same one. Values
    without rounds are not judged: nothing says how much they differ from run to run.
    """
    same_machine = _machine(before) == _machine(after)
    old = {row["name"]: row for row in before["rows"]}
    compared = []
    for row in after["rows"]:
        if row["name"] not in old:
            continue
        both = [tuple(one.get("rounds") or (one["value"],)) for one in (old[row["name"]], row)]
        judged = min(map(len, both)) > 1 and (is_ratio(row) or same_machine)
        compared.append(
            Compared(
                row["name"], row["unit"], row["kind"], spread(both[0]), spread(both[1]), judged
            )
        )
    return compared


def is_ratio(row: Mapping[str, Any]) -> bool:
    """Return whether the row is a ratio of two measurements, which depends least on a machine."""
    return str(row["unit"]).startswith("of ")


def _machine(result: Mapping[str, Any]) -> tuple[Any, ...]:
    facts = result["machine"]
    return tuple(facts.get(name) for name in ("processor", "processors", "system"))


def table(compared: list[Compared], before: str, after: str) -> Table:
    made = Table(title=f"From {before} to {after}", title_justify="left")
    for name in ("what", before, after, "change", ""):
        made.add_column(name, justify="left" if name in {"what", ""} else "right")
    for one in compared:
        part = one.after.median / one.before.median - 1 if one.before.median else 0.0
        made.add_row(
            f"{one.name}, {one.unit}",
            _cell(one.before),
            _cell(one.after),
            f"{part:+.0%}",
            Text(one.change, _COLOURS[one.change]),
        )
    return made


def _cell(found: Spread) -> str:
    if found.low == found.high:
        return f"{found.median:.2f}"
    return f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"
