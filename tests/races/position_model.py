"""Positions in plain Python: what a bot's reports and a closing by hand do to them."""

from tests.races.model import GONE, NOT_FOUND, Expected, Owned, Position, refused
from tests.races.scene import INVERSE

# The reports, by stored state, that change nothing.
UNCHANGED = {
    ("opening", "open"),
    ("opening", "reported"),
    ("opening", "by_hand"),
    ("open", "reported"),
}


class Model(Owned):
    def report(
        self,
        bot: str,
        position: str,
        status: str,
        symbol: str,
        *,
        side: str,
        revision: int | None,
        key_id: str | None = None,
    ) -> Expected:
        if bot not in self.bots:
            return GONE
        stored = self.positions.get((bot, position))
        if stored is None:
            first = self._first(bot, status, symbol, side, key_id)
            if isinstance(first, Expected):
                return first
            stored = self.positions[bot, position] = first
        else:
            if (stored.symbol, stored.side) != (symbol, side):
                return refused("position_conflict", symbol=stored.symbol, side=stored.side)
            if (
                _is_behind(stored, status, revision)
                or (status, stored.close_reason or stored.status) in UNCHANGED
            ):
                return _as_stored(stored)
            if status == "opening" and (refusal := self._refusal(bot, stored, symbol, key_id)):
                return refusal
            if status == "opening" and stored.status == "lapsed":
                stored.margin_mode = self._margin_mode(stored.key, symbol)
        if status == "open":
            self._record_events(stored)
        stored.status = status
        stored.close_reason = "reported" if status == "closed" else None
        stored.revision = stored.revision if revision is None else revision
        return _as_stored(stored)

    def _first(
        self, bot: str, status: str, symbol: str, side: str, key_id: str | None
    ) -> Position | Expected:
        """Return a new position, or the refusal to open it."""
        if status == "opening" and (refusal := self._refusal(bot, None, symbol, key_id)):
            return refusal
        key = key_id or self.bots[bot].key
        if key is None:
            return refused("no_key")
        if key not in self.bots[bot].had:
            return refused("key_not_assigned")
        # An opening needs an asset, so its symbol is of the key's type; a fact may be an old one.
        contract_type = "inverse" if symbol in INVERSE else "linear"
        mode = self._margin_mode(key, symbol)
        return Position(bot, key, contract_type, symbol, side, mode, status="new")

    def _refusal(
        self, bot: str, stored: Position | None, symbol: str, key_id: str | None
    ) -> Expected | None:
        """Return why an opening is refused, if it is."""
        present = self.bots[bot].key
        if present is not None:
            if {key_id or present, stored.key if stored is not None else present} != {present}:
                return refused("key_not_assigned")
            if stored is not None and stored.contract_type != self.keys[present].contract_type:
                return refused("position_conflict", symbol=stored.symbol, side=stored.side)
        reasons = self.opening_blocked_by(bot, symbol)
        return refused(reasons[0], blocked_by=reasons) if reasons else None

    def _record_events(self, stored: Position) -> None:
        """Record the events of a position that is reported as open."""
        if stored.close_reason == "by_hand":
            self.events.append("position_reopened")
        elif stored.status in {"new", "lapsed"} and (
            stored.key != self.bots[stored.bot].key
            or self.opening_blocked_by(stored.bot, stored.symbol)
        ):
            self.events.append("position_unexpected")

    def _margin_mode(self, key: str, symbol: str) -> str | None:
        asset = self.keys[key].asset(symbol)
        return None if asset is None else asset.margin_mode

    def close_by_hand(self, bot: str, position: str) -> Expected:
        stored = self.positions.get((bot, position))
        if stored is None:
            return NOT_FOUND
        if stored.held:
            stored.status, stored.close_reason = "closed", "by_hand"
            self.events.append("position_closed_by_hand")
        return _as_stored(stored)

    def lapse(self, bot: str) -> None:
        for position in self.positions.values():
            if position.bot == bot and position.status == "opening":
                position.status = "lapsed"


def _is_behind(stored: Position, status: str, revision: int | None) -> bool:
    if revision is None or stored.revision is None:
        return False
    repeated = (status, stored.close_reason, revision) == ("open", "by_hand", stored.revision)
    return revision < stored.revision or repeated


def _as_stored(stored: Position) -> Expected:
    lapsed = stored.status == "lapsed"
    return Expected(
        "200",
        {
            "status": "closed" if lapsed else stored.status,
            "close_reason": "lapsed" if lapsed else stored.close_reason,
            "symbol": stored.symbol,
            "side": stored.side,
            "contract_type": stored.contract_type,
            "margin_mode": stored.margin_mode,
            "revision": stored.revision,
        },
    )
