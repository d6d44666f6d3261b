"""The figures of docs/benchmarks.md, from the results that were kept last."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import results

_UNKNOWN = "No results are kept yet.\n"
_BUSY = 0.5
_WORDS = {"ok": "ok", "missed": "**missed**", "unclear": "unclear"}
_HALF = 0.5


def figures(folder: Path = results.KEPT) -> str:
    """Return the generated part of the page."""
    try:
        name, kept = results.newest(folder)
    except results.NoResults:
        return _UNKNOWN
    bench = kept["bench"]
    parts = [
        _measured_on(f"`make bench`, kept as `{name}`", bench["machine"]),
        _ratios(bench["rows"]),
        "![Ratios and their budgets](images/benchmarks-ratios.svg)\n",
        _others(bench["rows"]),
    ]
    if bench.get("latency"):
        parts += [
            "### Latency against offered load\n",
            _latency(bench["latency"]),
            "![Latency against offered load](images/benchmarks-latency.svg)\n",
        ]
    if "peers" in kept:
        peers = kept["peers"]
        parts += [
            "### Beside other programs\n",
            _measured_on("`make bench-peers`", peers["machine"]),
            _peers(peers["measured"], peers["skipped"]),
            "![Requests a second and latency](images/benchmarks-peers.svg)\n",
            _ratios(peers["goals"]),
            _protections(peers["measured"]),
        ]
    if "fleet" in kept:
        parts += [
            "### A fleet\n",
            _measured_on("`python -m benchmarks.fleet`", kept["fleet"]["machine"]),
            _others(kept["fleet"]["rows"]),
        ]
    if "growth" in kept:
        parts += [
            "### An installation that grows\n",
            _measured_on("`python -m benchmarks.growth`", kept["growth"]["machine"]),
            _growth(kept["growth"]),
            "![Buffers touched by the number of keys](images/benchmarks-growth.svg)\n",
        ]
    return "\n".join(parts)


def _measured_on(command: str, facts: Mapping[str, Any]) -> str:
    load = facts["load_average"][0]
    busy = load > _BUSY * (facts["processors"] or 1)
    sentence = (
        f"{command}, {facts['date'][:10]}, commit `{facts['commit'] or 'unknown'}`, on "
        f"{facts['processors']} processors ({facts['processor']}), {facts['system']}, "
        f"Python {facts['python']}, PostgreSQL {facts['postgres']}, load {load} at the start."
    )
    warning = " **Other work kept the machine busy: times are too long, ratios unsure.**"
    return sentence + (warning if busy else "") + "\n"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _is_ratio(row: Mapping[str, Any]) -> bool:
    return str(row["unit"]).startswith("of ")


def _ratios(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ("ratio", "measured", "interval", "budget", ""),
        (_row(row) for row in rows if _is_ratio(row)),
    )


def _others(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ("time or memory", "measured", "interval", "budget", ""),
        (_row(row) for row in rows if not _is_ratio(row)),
    )


def _row(row: Mapping[str, Any]) -> list[str]:
    found = row["spread"]
    interval = "" if not found else f"{_number(found['low'])} to {_number(found['high'])}"
    budget = "" if row["budget"] is None else f"{row['kind']} {row['budget']:g}"
    return [
        row["name"],
        f"{_number(row['value'])} {row['unit']}",
        interval,
        budget,
        _WORDS.get(row["verdict"], ""),
    ]


def _growth(growth: Mapping[str, Any]) -> str:
    curves = growth["curves"]
    accepted = [curve for curve in curves if curve["grows"] and curve["accepted"]]
    outgrown = [curve["name"] for curve in curves if curve["grows"] and not curve["accepted"]]
    reasons = sorted({curve["accepted"] for curve in accepted})
    lines = [
        f"Of {len(curves)} curves up to {growth['sizes'][-1]:,} keys, "
        f"{len(curves) - len(accepted) - len(outgrown)} grow no faster than the logarithm of the "
        f"number of keys, {len(accepted)} grow with a reason, and {len(outgrown)} without one"
        + (f" ({', '.join(outgrown)})." if outgrown else ".")
        + " The reasons:\n",
        *(
            f"- {reason} ({sum(curve['accepted'] == reason for curve in accepted)})"
            for reason in reasons
        ),
    ]
    return "\n".join(lines) + "\n"


def _latency(curves: Sequence[Mapping[str, Any]]) -> str:
    head = ("request", "answered in time up to", "p50 / p99 at half of that", "p50 / p99 there")
    return _table(head, (_curve(curve) for curve in curves))


def _curve(curve: Mapping[str, Any]) -> list[str]:
    sustained = curve["sustained"]
    kept = [point for point in curve["points"] if point["offered"] <= sustained]
    if not kept:
        return [curve["name"], "no rate that was tried", "", ""]
    half = min(kept, key=lambda point: abs(float(point["offered"]) - _HALF * sustained))
    waits = [f"{_number(one['p50'])} / {_number(one['p99'])} ms" for one in (half, kept[-1])]
    return [curve["name"], f"{sustained:,.0f}/s", *waits]


def _peers(measured: Sequence[Mapping[str, Any]], skipped: Mapping[str, str]) -> str:
    head = ("program", "request", "a second", "p50", "p99", "memory", "durable")
    rows = [
        [
            one["peer"],
            "; ".join(filter(None, [one["what"], one["note"]])),
            _number(one["per_second"]),
            f"{_number(one['p50'])} ms",
            f"{_number(one['p99'])} ms",
            f"{one['memory_mib']:.0f} MiB",
            one["durable"],
        ]
        for one in measured
    ]
    rows += [[name, f"skipped: {reason}", "", "", "", "", ""] for name, reason in skipped.items()]
    return _table(head, iter(rows))


def _protections(measured: Sequence[Mapping[str, Any]]) -> str:
    of_peers = {one["peer"]: one["protects"] for one in measured}
    rows = (
        [peer, protects["at_rest"], protects["in_memory"], protects["audit"]]
        for peer, protects in of_peers.items()
    )
    return _table(("what protects a secret", "at rest", "in memory", "audit"), rows)


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
