"""The rules of docs/rules.md in plain Python: what each change returns when it runs alone."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.races.scene import INVERSE, LINEAR, MAX_LEVERAGE

SYMBOLS = {"linear": LINEAR, "inverse": INVERSE}


class Expected(NamedTuple):
    """An answer as summarized by `scene.outcome`, and members that its document has."""

    answer: str
    members: dict[str, Any] = {}  # noqa: RUF012  # never changed


NOT_FOUND = Expected("404 not_found")
GONE = Expected("401 unauthenticated")
DONE = Expected("200")


def refused(code: str, **members: Any) -> Expected:
    return Expected(f"409 {code}", members)


@dataclass
class Asset:
    leverage: int = 10
    margin_mode: str = "cross"
    enabled: bool = True


@dataclass
class Key:
    """A key. `assets` are by contract type and symbol; `trade` is what is known of that
    permission.
    """

    active: bool = True
    contract_type: str = "linear"
    verification: str = "skipped"
    trade: str = "unknown"
    withdraw: str = "unknown"
    assets: dict[tuple[str, str], Asset] = field(default_factory=dict)

    def asset(self, symbol: str) -> Asset | None:
        return self.assets.get((self.contract_type, symbol))


@dataclass
class Bot:
    """A bot. `had` holds all keys that it ever had."""

    paused: bool = False
    online: bool = False
    key: str | None = None
    had: set[str] = field(default_factory=set)


@dataclass
class Position:
    """A position. `status` is `lapsed` for an expired opening."""

    bot: str
    key: str
    contract_type: str
    symbol: str
    side: str
    margin_mode: str | None
    status: str = "closed"
    close_reason: str | None = None
    revision: int | None = None

    @property
    def held(self) -> bool:
        return self.status in {"opening", "open"}


@dataclass
class Owned:
    """The state that a user's changes affect: bots and keys by id, positions by bot and id, the
    exchange's maximum leverage by symbol.

    `events` are the kinds of bot events about positions, in order. `frozen` holds keys, and `None`
    for the whole account.
    """

    bots: dict[str, Bot] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    maximum: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((*LINEAR, *INVERSE), int(MAX_LEVERAGE))
    )
    delisted: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    frozen: set[str | None] = field(default_factory=set)

    def held_by(self, bot: str, *, other_than: str | None = None) -> int:
        """Return how many positions the bot holds, except those with the key `other_than`."""
        return sum(
            1
            for held in self.positions.values()
            if held.held and held.bot == bot and held.key != other_than
        )

    def held_on(self, key: str, symbol: str | None = None) -> int:
        return sum(
            1
            for held in self.positions.values()
            if held.held and held.key == key and symbol in {None, held.symbol}
        )

    def holder(self, key: str) -> str | None:
        return next((name for name, bot in self.bots.items() if bot.key == key), None)

    # Bots.

    def assign(self, bot: str, key: str) -> Expected:
        if bot in self.bots and self.bots[bot].key == key:
            return DONE
        if bot not in self.bots or key not in self.keys:
            return NOT_FOUND
        if not self.keys[key].active:
            return refused("key_inactive")
        if self.holder(key) is not None:
            return refused("key_assigned")
        if count := self.held_by(bot, other_than=key):
            return refused("open_positions", count=count)
        self.bots[bot].key = key
        self.bots[bot].had.add(key)
        return DONE

    def unassign(self, bot: str) -> Expected:
        if bot not in self.bots:
            return NOT_FOUND
        if self.bots[bot].key is None:
            return DONE
        if count := self.held_by(bot):
            return refused("open_positions", count=count)
        self.bots[bot].key = None
        return DONE

    def pause(self, bot: str, paused: bool) -> Expected:
        if bot not in self.bots:
            return NOT_FOUND
        self.bots[bot].paused = paused
        return Expected("200", {"paused": paused, "open_positions": self.held_by(bot)})

    def delete_bot(self, bot: str) -> Expected:
        if bot not in self.bots:
            return NOT_FOUND
        if count := self.held_by(bot):
            return refused("open_positions", count=count)
        del self.bots[bot]
        return Expected("204")

    def heartbeat(self, bot: str) -> Expected:
        if bot not in self.bots:
            return GONE
        self.bots[bot].online = True
        return Expected("200", {"may_open_positions": not self.bot_blocked_by(bot)})

    def look(self, bot: str, *, accepted: bool, trade: str, withdraw: str = "no") -> Expected:
        if bot not in self.bots:
            return GONE
        key = self.bots[bot].key
        if key is not None:
            self.keys[key].verification = "verified" if accepted else "rejected"
            if accepted:
                self.keys[key].trade = trade
                self.keys[key].withdraw = withdraw
        return self.heartbeat(bot)

    # Keys.

    def activate(self, key: str, active: bool) -> Expected:
        if key not in self.keys:
            return NOT_FOUND
        self.keys[key].active = active
        return Expected("200", {"active": active})

    def switch(self, key: str, contract_type: str) -> Expected:
        if key not in self.keys:
            return NOT_FOUND
        if self.keys[key].contract_type != contract_type:
            holder = self.holder(key)
            if holder is not None and self.bots[holder].online:
                return refused("bot_online")
            if count := self.held_on(key):
                return refused("open_positions", count=count)
        self.keys[key].contract_type = contract_type
        return Expected("200", {"contract_type": contract_type})

    def delete_key(self, key: str) -> Expected:
        if key not in self.keys:
            return NOT_FOUND
        if self.holder(key) is not None:
            return refused("key_assigned")
        del self.keys[key]
        self.frozen.discard(key)
        return DONE

    # Assets.

    def add_asset(self, key: str, symbol: str, leverage: int) -> Expected:
        if key not in self.keys:
            return NOT_FOUND
        of = self.keys[key]
        if symbol not in SYMBOLS[of.contract_type] or symbol in self.delisted:
            return Expected("422 unknown_symbol")
        if leverage > self.maximum[symbol]:
            return self._above(symbol)
        if of.asset(symbol) is not None:
            return refused("asset_already_added")
        of.assets[of.contract_type, symbol] = Asset(leverage)
        return Expected("201", {"margin_mode": "cross", "enabled": True})

    def change_asset(self, key: str, symbol: str, **changes: Any) -> Expected:
        asset = self.keys[key].asset(symbol) if key in self.keys else None
        if asset is None:
            return NOT_FOUND
        if changes.get("leverage", 0) > self.maximum[symbol]:
            return self._above(symbol)
        other = changes.get("margin_mode", asset.margin_mode) != asset.margin_mode
        if other and (count := self.held_on(key, symbol)):
            return refused("position_open", count=count)
        for name, value in changes.items():
            setattr(asset, name, value)
        blocked = self._asset_blocked_by(asset, symbol)
        return Expected("200", {"may_open_positions": not blocked, "blocked_by": blocked})

    def remove_asset(self, key: str, symbol: str) -> Expected:
        of = self.keys.get(key)
        if of is None or of.asset(symbol) is None:
            return NOT_FOUND
        if count := self.held_on(key, symbol):
            return refused("position_open", count=count)
        del of.assets[of.contract_type, symbol]
        return Expected("204")

    def _above(self, symbol: str) -> Expected:
        return Expected("422 leverage_above_max", {"max_leverage": str(self.maximum[symbol])})

    # What blocks an opening, in the order of the contract.

    def bot_blocked_by(self, bot: str) -> list[str]:
        of = self.bots[bot]
        key = None if of.key is None else self.keys[of.key]
        enabled = key is not None and any(
            asset.enabled and kind == key.contract_type for (kind, _), asset in key.assets.items()
        )
        reasons = {
            "frozen": bool(self.frozen & {None, of.key}),
            "bot_paused": of.paused,
            "no_key": key is None,
            "key_inactive": key is not None and not key.active,
            "key_cannot_trade": key is not None and key.trade == "no",
            "withdrawal_permission": key is not None and key.withdraw == "yes",
            "credentials_rejected": key is not None and key.verification == "rejected",
            "no_trading_assets": key is not None and not enabled,
        }
        return [reason for reason, holds in reasons.items() if holds]

    def _asset_blocked_by(self, asset: Asset, symbol: str) -> list[str]:
        reasons = {
            "asset_disabled": not asset.enabled,
            "asset_delisted": symbol in self.delisted,
            "leverage_above_max": asset.leverage > self.maximum[symbol],
        }
        return [reason for reason, holds in reasons.items() if holds]

    def opening_blocked_by(self, bot: str, symbol: str) -> list[str]:
        reasons, key = self.bot_blocked_by(bot), self.bots[bot].key
        if key is not None:
            asset = self.keys[key].asset(symbol)
            reasons += ["unknown_asset"] if asset is None else self._asset_blocked_by(asset, symbol)
        return reasons

    # Freezes, of a key or of the whole account.

    def freeze(self, key: str | None) -> Expected:
        if key is not None and key not in self.keys:
            return NOT_FOUND
        new = key not in self.frozen
        self.frozen.add(key)
        return Expected("201" if new else "200")

    def lift(self, key: str | None) -> Expected:
        if key not in self.frozen:
            return NOT_FOUND
        self.frozen.discard(key)
        return Expected("204")

    def fall_silent(self, bot: str) -> None:
        if bot in self.bots:
            self.bots[bot].online = False
