"""Plots of results, as PNG and SVG: ratios with their budgets, latency against load, peers, growth.

They need matplotlib, which `make plots` installs; without it nothing is drawn.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.comparing import is_ratio
from benchmarks.results import HERE
from benchmarks.spread import Verdict

IMAGES = HERE.parent / "docs/images"
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks",  # the same results give the same file
}
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#666666"
_COLOURS = {Verdict.KEPT: _BLUE, Verdict.UNCLEAR: "#e69f00", Verdict.MISSED: _ORANGE}
_KINDS = {"at least": "higher is better", "at most": "lower is better"}


def draw(bench: Mapping[str, Any], stem: Path) -> list[Path]:
    """Draw what `make bench` measured, in files whose names begin so; return them."""
    drawn = []
    if any(is_ratio(row) for row in bench["rows"]):
        drawn += _draw(lambda figure: _ratios(figure, bench["rows"]), (8, 5), stem, "ratios")
    if bench.get("latency"):
        drawn += _draw(lambda figure: _latency(figure, bench["latency"]), (8, 6), stem, "latency")
    return drawn


def draw_peers(peers: Mapping[str, Any], stem: Path) -> list[Path]:
    return _draw(lambda figure: _peers(figure, peers["measured"]), (8, 5), stem, "peers")


def draw_growth(growth: Mapping[str, Any], stem: Path) -> list[Path]:
    """Draw how the buffers that each call touches grow with the number of keys."""
    return _draw(lambda figure: _growth(figure, growth["curves"]), (8, 6), stem, "growth")


def draw_kept(kept: Mapping[str, Any]) -> list[Path]:
    """Draw the pictures of docs/benchmarks.md."""
    stem = IMAGES / "benchmarks"
    return [
        *draw(kept["bench"], stem),
        *(draw_peers(kept["peers"], stem) if "peers" in kept else []),
        *(draw_growth(kept["growth"], stem) if "growth" in kept else []),
    ]


def _draw(
    fill: Callable[[Any], None], size: tuple[float, float], stem: Path, name: str
) -> list[Path]:
    if importlib.util.find_spec("matplotlib") is None:
        return []
    import matplotlib as mpl  # noqa: PLC0415  # an extra, which only this needs
    from matplotlib.figure import Figure  # noqa: PLC0415

    paths = [stem.with_name(f"{stem.name}-{name}.{kind}") for kind in ("png", "svg")]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        fill(figure)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            dated = {"Date": None} if path.suffix == ".svg" else {}
            figure.savefig(path, dpi=120, metadata=dated)
    return paths


def _ratios(figure: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    kinds = [kind for kind in _KINDS if any(_is(row, kind) for row in rows)]
    counts = [sum(_is(row, kind) for row in rows) for kind in kinds]
    panels = figure.subplots(len(kinds), 1, squeeze=False, height_ratios=counts)
    for panel, kind in zip(panels[:, 0], kinds, strict=True):
        shown = [row for row in reversed(rows) if _is(row, kind)]
        for place, row in enumerate(shown):
            colour = _COLOURS.get(row["verdict"], _GREY)
            panel.barh(place, row["value"], height=0.55, color=colour, alpha=0.85)
            if row["spread"]:
                ends = [row["spread"]["low"], row["spread"]["high"]]
                panel.plot(ends, [place, place], color="black", linewidth=1.2)
            if row["budget"] is not None:
                budget = [row["budget"]] * 2
                panel.plot(budget, [place - 0.4, place + 0.4], color="black", linewidth=2.5)
        panel.set_yticks(range(len(shown)), [f"{row['name']}\n{row['unit']}" for row in shown])
        panel.set_xlim(left=0)
        panel.grid(axis="x", alpha=0.3)
        panel.set_title(
            f"{_KINDS[kind]}; thick lines: budgets; thin lines: how sure the medians are"
        )


def _is(row: Mapping[str, Any], kind: str) -> bool:
    return is_ratio(row) and bool(row["kind"] == kind)


def _latency(figure: Any, curves: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(-(-len(curves) // 2), 2, squeeze=False).ravel()
    for panel, curve in zip(panels, curves, strict=False):
        points = curve["points"]
        offered = [point["offered"] for point in points]
        for name, colour, mark in (("p99", _ORANGE, "o"), ("p50", _BLUE, "s")):
            values = [point[name] for point in points]
            panel.plot(offered, values, color=colour, marker=mark, markersize=4, label=name)
        panel.axvline(curve["sustained"], color=_GREY, linestyle=":", label="answered in time")
        _logarithmic(panel, "y")
        panel.set_xlim(left=0)
        panel.set_title(curve["name"])
        panel.set_xlabel("requests offered a second")
        panel.set_ylabel("milliseconds")
        panel.grid(alpha=0.3)
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    panels[0].legend(frameon=False)


_GROWN = {
    "reading": "lists, searches and other readings",
    "check": "changes and their checks",
    "idle": "turns of the workers with nothing due",
    "sweep": "turns with ten rows due",
}


def _growth(figure: Any, curves: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
    for panel, (kind, title) in zip(panels, _GROWN.items(), strict=True):
        for curve in sorted(curves, key=lambda one: one["grows"]):
            if curve["kind"] == kind:
                keys = [point["keys"] for point in curve["points"]]
                buffers = [max(point["buffers"], 1) for point in curve["points"]]
                colour = _ORANGE if curve["grows"] else _BLUE
                panel.plot(keys, buffers, color=colour, alpha=0.5, linewidth=1)
        _logarithmic(panel, "y", subs=(1,))
        panel.set_xscale("log")
        panel.set_title(title)
        panel.grid(alpha=0.3)
    for panel in panels[::2]:
        panel.set_ylabel("buffers touched")
    for panel in panels[2:]:
        panel.set_xlabel("keys; orange outgrows the logarithm")


def _logarithmic(panel: Any, name: str, subs: Sequence[float] = (1, 2, 5)) -> None:
    """Let an axis grow by factors, with plain numbers at few of its ticks."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter  # noqa: PLC0415

    getattr(panel, f"set_{name}scale")("log")
    axis = getattr(panel, f"{name}axis")
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _peers(figure: Any, measured: Sequence[Mapping[str, Any]]) -> None:
    shown = [one for one in reversed(measured) if one.get("per_second")]
    rates, waits = figure.subplots(1, 2, sharey=True)
    names = [f"{one['peer']}\n{one['what']}" for one in shown]
    colours = [_BLUE if one["peer"] == "Botkeys" else _GREY for one in shown]
    rates.barh(names, [one["per_second"] for one in shown], height=0.6, color=colours)
    rates.set_title("requests a second (logarithmic)")
    waits.barh(names, [one["p99"] for one in shown], height=0.6, color=colours, alpha=0.5)
    waits.barh(names, [one["p50"] for one in shown], height=0.6, color=colours)
    waits.set_title("p50 and p99, milliseconds (logarithmic)")
    for panel in (rates, waits):
        _logarithmic(panel, "x")
        panel.grid(axis="x", alpha=0.3)
