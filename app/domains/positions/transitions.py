"""What a report does to a position, in whatever order reports arrive."""

from enum import Enum, auto

from app.domains.positions.rows import PositionRow


class State(Enum):
    """The stored state. `RESERVED`: an opening that is still valid; `LAPSED`: one that no longer
    is, whether or not the worker has marked it; `BY_HAND`: closed by the user, not by the bot.
    """

    ABSENT = auto()
    RESERVED = auto()
    LAPSED = auto()
    OPEN = auto()
    BY_HAND = auto()
    CLOSED = auto()


class Effect(Enum):
    """The effect of a report. `ASK` needs permission; the others are facts. `COMPLETE` adds to a
    closed position.
    """

    ASK = auto()
    OPEN = auto()
    REOPEN = auto()
    CLOSE = auto()
    COMPLETE = auto()
    NOTHING = auto()


def state_of(row: PositionRow | None) -> State:
    if row is None:
        return State.ABSENT
    if row.status == "opening":
        return State.LAPSED if row.lapsed else State.RESERVED
    if row.status == "open":
        return State.OPEN
    closed = {"lapsed": State.LAPSED, "by_hand": State.BY_HAND}
    return closed.get(row.close_reason or "", State.CLOSED)


_USUAL_EFFECTS = {
    "opening": Effect.NOTHING,
    "open": Effect.OPEN,
    "closed": Effect.CLOSE,
}
_EFFECTS = {
    ("opening", State.ABSENT): Effect.ASK,
    ("opening", State.RESERVED): Effect.ASK,
    ("opening", State.LAPSED): Effect.ASK,
    ("open", State.BY_HAND): Effect.REOPEN,
    ("open", State.CLOSED): Effect.NOTHING,
    ("closed", State.CLOSED): Effect.COMPLETE,
}


def effect_of(status: str, state: State) -> Effect:
    """Return the effect of a report with this status. Its revision must not be behind the stored
    one.
    """
    return _EFFECTS.get((status, state), _USUAL_EFFECTS[status])
