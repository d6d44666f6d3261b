"""Results as files: one of the last run, and one of each release that was kept.

A file has what `make bench` measured (`bench`), and what `make bench-peers` (`peers`),
`benchmarks.fleet` (`fleet`) and `benchmarks.growth` (`growth`) did, each with the facts of its
machine.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = HERE / "results"
"""Results that are kept, one file for each release or commit, named after it."""

LAST_BENCH, LAST_PEERS = HERE / "results.json", HERE / "peers.json"
LAST_FLEET, LAST_GROWTH = HERE / "fleet.json", HERE / "growth.json"
LAST = {"bench": LAST_BENCH, "peers": LAST_PEERS, "fleet": LAST_FLEET, "growth": LAST_GROWTH}


class NoResults(Exception):
    """There is no file of this name; the text is a sentence."""


def write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoResults(f"There is no {path}.") from None
    return found


def named(name: str, folder: Path = KEPT) -> dict[str, Any]:
    """Return what `make bench` measured: of a kept release, of a file, or of the `last` run.

    Raise `NoResults`.
    """
    if name == "last":
        return read(LAST_BENCH)
    path = Path(name) if name.endswith(".json") else folder / f"{name}.json"
    found = read(path)
    return dict(found["bench"]) if "bench" in found else found


def keep(name: str, *, parts: Mapping[str, Path] = LAST, folder: Path = KEPT) -> Path:
    """Keep the last results under this name; raise `NoResults` if nothing was measured in full.

    A part that was not measured since stays as it was kept before.
    """
    path = folder / f"{name}.json"
    found = read(path) if path.exists() else {}
    found |= {part: read(source) for part, source in parts.items() if source.exists()}
    for curve in found.get("growth", {}).get("curves", []):
        for point in curve["points"]:
            point.pop("of_tables", None)  # to look into, not to compare
    if "bench" not in found:
        raise NoResults("Nothing was measured: run `make bench` first.")
    if quick := [part for part in parts if found.get(part, {}).get("machine", {}).get("quick")]:
        raise NoResults(f"Short and inexact, so not kept: the last run of {' and '.join(quick)}.")
    write(path, found)
    return path


def newest(folder: Path = KEPT) -> tuple[str, dict[str, Any]]:
    """Return the name and the content of what was measured last of all that is kept.

    Raise `NoResults`.
    """
    kept = [(path.stem, read(path)) for path in folder.glob("*.json")]
    if not kept:
        raise NoResults("No results are kept.")
    return max(kept, key=lambda one: str(one[1]["bench"]["machine"]["date"]))
