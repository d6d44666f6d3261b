"""Steps that reach every refusal once: chance does not reach each of them every time."""

from typing import Any, TypeAlias

from tests.races.scene import INVERSE, LINEAR

Step: TypeAlias = tuple[str, dict[str, Any]]
"""A rule of `machine.Steps`, and its arguments."""

ONE, OTHER = LINEAR
FIRST = {"bot": "first"}
OPENS: Step = ("open_position", {**FIRST, "position": "a"})


def _looks(*, accepted: bool = True, trade: str = "yes", withdraw: str = "no") -> Step:
    return "look", {**FIRST, "accepted": accepted, "trade": trade, "withdraw": withdraw}


def _changes(symbol: str, **changes: Any) -> Step:
    return "change_asset", {"key": "first", "symbol": symbol, "changes": changes}


def _adds(symbol: str, leverage: int = 3) -> Step:
    return "add_asset", {"key": "first", "symbol": symbol, "leverage": leverage}


def _listed(maximum: int = 20, *, listed: bool = True) -> Step:
    return "catalogue_changes", {"maximum": maximum, "listed": listed}


def _refused_until(stands: Step, goes: Step) -> tuple[Step, ...]:
    """Return a step that blocks openings, an opening, and the step that unblocks them."""
    return stands, OPENS, goes


TOUR: tuple[Step, ...] = (
    # Assets that are added twice, of another contract type, with too high a leverage, or absent.
    _adds(OTHER),
    _adds(OTHER),
    _adds(INVERSE[0]),
    _adds(OTHER, leverage=21),
    ("remove_asset", {"key": "second", "symbol": OTHER}),
    # What blocks openings.
    *_refused_until(
        ("freeze", {"scope": "account", "key": "first"}),
        ("lift", {"scope": "account", "key": "first"}),
    ),
    *_refused_until(("pause", {**FIRST, "paused": True}), ("pause", {**FIRST, "paused": False})),
    *_refused_until(
        ("activate", {"key": "first", "active": False}),
        ("activate", {"key": "first", "active": True}),
    ),
    *_refused_until(_looks(trade="no"), _looks()),
    *_refused_until(_looks(withdraw="yes"), _looks()),
    *_refused_until(_looks(accepted=False), _looks()),
    *_refused_until(_changes(ONE, enabled=False), _changes(ONE, enabled=True)),
    *_refused_until(_listed(listed=False), _listed()),
    *_refused_until(_listed(5), _listed()),
    ("report", {**FIRST, "position": "a", "status": "opening", "symbol": INVERSE[0]}),
    ("remove_asset", {"key": "first", "symbol": OTHER}),
    *_refused_until(_changes(ONE, enabled=False), _changes(ONE, enabled=True)),
    ("open_position", {"bot": "second", "position": "a"}),
    # What an open position and an online bot block.
    OPENS,
    ("report", {**FIRST, "position": "a", "status": "opening", "side": "short"}),
    ("unassign", FIRST),
    ("remove_asset", {"key": "first", "symbol": ONE}),
    ("switch", {"key": "first", "contract_type": "inverse"}),
    ("say", {**FIRST, "position": "a", "status": "closed"}),
    # A key that the bot never had, an assigned one, an inactive one; a deleted bot.
    ("report", {**FIRST, "position": "b", "status": "closed", "key": "second"}),
    ("delete_key", {"key": "first"}),
    ("unassign", FIRST),
    ("delete_bot", FIRST),
    ("heartbeat", FIRST),
    ("activate", {"key": "first", "active": False}),
    ("assign", {"bot": "second", "key": "first"}),
    ("delete_key", {"key": "first"}),
)
