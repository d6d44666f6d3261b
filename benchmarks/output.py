"""What both commands print, and the status that they end with."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.report import Row, is_busy
from benchmarks.spread import Verdict

MISSED, UNCLEAR = 1, 2
"""Exit statuses."""


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 160)


def exit_status(rows: Sequence[Row], *, heed_budget: bool) -> int:
    """Return 0 only if each budget is kept, at least by the median of the rounds."""
    if not heed_budget:
        return 0
    broken = {row.verdict for row in rows if not row.within}
    if Verdict.MISSED in broken:
        return MISSED
    return UNCLEAR if broken else 0


def warn_if_busy(shown: Console, facts: dict[str, Any]) -> None:
    if is_busy(facts):
        shown.print(
            f"Other work keeps this machine busy (load {facts['load_average'][0]}): "
            "ratios stay near, times do not.",
            style="yellow",
        )


def report_drawn(shown: Console, drawn: Sequence[Path]) -> None:
    if drawn:
        shown.print("Drawn: " + ", ".join(str(path) for path in drawn))
    else:
        shown.print("No plots: `make plots` installs what draws them.", style="yellow")
