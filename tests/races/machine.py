"""Steps in any order, each compared with the model: first its answer, then every row."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from itertools import count
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from tests.races.model import Asset, Bot, Expected, Key
from tests.races.position_model import Model
from tests.races.scene import INVERSE, LINEAR, MAX_LEVERAGE, Scene, outcome
from tests.races.watch import violations
from tests.support.world import World

T = TypeVar("T")
MINE = st.sampled_from(("first", "first", "second"))
"""The bot or key to use. A deleted one is still used until it is replaced."""
SYMBOLS = st.sampled_from((*LINEAR, *INVERSE))
YES = st.booleans()
ANSWER = st.sampled_from(("yes", "no"))
POSITIONS = st.sampled_from(("a", "b"))
SCOPES = st.sampled_from(("account", "key"))
PATIENCE = 300
"""Seconds for one step: only a step that hangs takes so long."""

_ACCOUNTS = count()

# Everything that the model knows, in one row, and the rules that the watch saw broken. An expired
# opening is `lapsed`.
ROWS = """
    SELECT
        (SELECT json_object_agg(bots.id, json_build_array(paused,
            coalesce(lease_until > clock_timestamp(), false), key_id))
         FROM bots LEFT JOIN presence
            ON presence.account_id = bots.account_id AND presence.bot_id = bots.id
         WHERE bots.account_id = :account),
        (SELECT json_object_agg(id, json_build_array(active, contract_type,
            verification_status, permission_trade))
         FROM keys WHERE account_id = :account),
        (SELECT json_object_agg(key_id || ' ' || contract_type || ' ' || symbol,
            json_build_array(leverage, margin_mode, enabled))
         FROM trading_assets WHERE account_id = :account),
        (SELECT json_object_agg(bot_id || ' ' || id, json_build_array(
            CASE WHEN expires_at <= clock_timestamp() OR close_reason = 'lapsed' THEN 'lapsed'
                ELSE status END, nullif(close_reason, 'lapsed'),
            key_id, contract_type, symbol, side, margin_mode, revision))
         FROM positions WHERE account_id = :account),
        (SELECT json_agg(kind ORDER BY at, id) FROM bot_events
         WHERE account_id = :account AND kind LIKE 'position_%'),
        (SELECT json_agg(rule) FROM broken_rules
         WHERE cast(:account AS text) IN (before ->> 'account_id', after ->> 'account_id'))
"""


class Steps(RuleBasedStateMachine):
    """Steps in an account of their own: what one walk broke would otherwise end all later ones, and
    hypothesis would not report the cause. `loop` is the service's event loop, which runs in another
    thread.
    """

    world: ClassVar[World]
    loop: ClassVar[asyncio.AbstractEventLoop]
    answers: ClassVar[Counter[str]]

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=PATIENCE)

    @initialize()
    def begin(self) -> None:
        """Add two keys with assets and two bots, and assign the first key to the first bot."""
        self.scene = Scene(self.world, account=f"account {next(_ACCOUNTS)}")
        self.model = Model()
        self.bots: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.wait(self.exchange_says(MAX_LEVERAGE, listed=True))
        for name in ("first", "second"):
            self.replace_bot(name)
            self.replace_key(name)
        self.assign("first", "first")

    def step(self, call: Coroutine[Any, Any, httpx.Response], expected: Expected) -> None:
        answer = self.wait(call)
        self.answers[outcome(answer)] += 1
        assert outcome(answer) == expected.answer, answer.text
        if expected.members:
            document = answer.json()
            assert {name: document[name] for name in expected.members} == expected.members

    @invariant()
    def every_row_is_as_expected(self) -> None:
        """Check that every row is as expected, and that no commit broke a rule."""
        if not hasattr(self, "model"):
            return
        stored, expected = self.wait(self.rows()), self.expected_rows()
        assert stored == expected, f"stored: {stored}\nexpected: {expected}"

    def teardown(self) -> None:
        if self.scene.bots:
            broken = self.wait(violations(self.world, self.account_id))
            assert not broken, broken

    @rule(name=MINE)
    def put_right(self, name: str) -> None:
        """Remove everything that blocks openings of this bot, with the key of the same name."""
        self.replace_bot(name)
        self.replace_key(name)
        self.lift("account", name)
        self.lift("key", name)
        self.pause(name, paused=False)
        self.activate(name, active=True)
        self.assign(name, name)
        self.look(name, accepted=True, trade="yes")

    # Bots.

    def replace_bot(self, name: str) -> None:
        if self.bots.get(name) not in self.model.bots:
            self.bots[name] = self.wait(self.scene.add_bot())
            self.model.bots[self.bots[name]] = Bot()

    @rule(bot=MINE, key=MINE)
    def assign(self, bot: str, key: str) -> None:
        names = self.bots[bot], self.keys[key]
        self.step(self.scene.assign(*names), self.model.assign(*names))

    @rule(bot=MINE)
    def unassign(self, bot: str) -> None:
        name = self.bots[bot]
        self.step(self.scene.unassign(name), self.model.unassign(name))

    @rule(bot=MINE, paused=YES)
    def pause(self, bot: str, paused: bool) -> None:
        name = self.bots[bot]
        self.step(self.scene.pause(name, paused), self.model.pause(name, paused))

    @rule(bot=MINE)
    def delete_bot(self, bot: str) -> None:
        name = self.bots[bot]
        if name not in self.model.bots:
            self.replace_bot(bot)
        self.step(self.scene.delete_bot(name), self.model.delete_bot(name))

    @rule(bot=MINE)
    def heartbeat(self, bot: str) -> None:
        name = self.bots[bot]
        self.step(self.scene.heartbeat(name), self.model.heartbeat(name))

    @rule(bot=MINE, accepted=YES, trade=ANSWER, withdraw=ANSWER)
    def look(self, bot: str, accepted: bool, trade: str, withdraw: str = "no") -> None:
        name, found = self.bots[bot], {"trade": trade, "withdraw": withdraw}
        expected = self.model.look(name, accepted=accepted, **found)
        self.step(self.scene.look(name, accepted=accepted, **found), expected)

    @rule(bot=MINE)
    def fall_silent(self, bot: str) -> None:
        self.wait(self.scene.fall_silent(self.bots[bot]))
        self.model.fall_silent(self.bots[bot])

    # Freezes.

    @rule(scope=SCOPES, key=MINE)
    def freeze(self, scope: str, key: str) -> None:
        named = {"scope": scope, **({"key_id": self.keys[key]} if scope == "key" else {})}
        self.step(self.scene.freeze(**named), self.model.freeze(named.get("key_id")))

    @rule(scope=SCOPES, key=MINE)
    def lift(self, scope: str, key: str) -> None:
        named = {"scope": scope, **({"key_id": self.keys[key]} if scope == "key" else {})}
        self.step(self.scene.lift(**named), self.model.lift(named.get("key_id")))

    # Keys and assets.

    def replace_key(self, name: str) -> None:
        if self.keys.get(name) not in self.model.keys:
            symbol = LINEAR[0]
            fits = symbol not in self.model.delisted and self.model.maximum[symbol] == 20
            self.keys[name] = self.wait(self.scene.add_key(*[symbol] * fits))
            assets = {("linear", symbol): Asset()} if fits else {}
            self.model.keys[self.keys[name]] = Key(assets=assets)

    @rule(key=MINE, active=YES)
    def activate(self, key: str, active: bool) -> None:
        name = self.keys[key]
        self.step(self.scene.activate(name, active), self.model.activate(name, active))

    @rule(key=MINE, contract_type=st.sampled_from(("linear", "inverse")))
    def switch(self, key: str, contract_type: str) -> None:
        name = self.keys[key]
        self.step(self.scene.switch(name, contract_type), self.model.switch(name, contract_type))

    @rule(key=MINE)
    def delete_key(self, key: str) -> None:
        name = self.keys[key]
        if name not in self.model.keys:
            self.replace_key(key)
        self.step(self.scene.delete_key(name), self.model.delete_key(name))

    @rule(key=MINE, symbol=SYMBOLS, leverage=st.sampled_from((3, 20, 21)))
    def add_asset(self, key: str, symbol: str, leverage: int) -> None:
        name = self.keys[key]
        expected = self.model.add_asset(name, symbol, leverage)
        self.step(self.scene.add_asset(name, symbol, str(leverage)), expected)

    @rule(
        key=MINE,
        symbol=SYMBOLS,
        changes=st.fixed_dictionaries(
            {},
            optional={
                "leverage": st.sampled_from((4, 20, 21)),
                "margin_mode": st.sampled_from(("cross", "isolated")),
                "enabled": YES,
            },
        ),
    )
    def change_asset(self, key: str, symbol: str, changes: dict[str, Any]) -> None:
        name = self.keys[key]
        expected = self.model.change_asset(name, symbol, **changes)
        self.step(self.scene.change_asset(name, symbol, **changes), expected)

    @rule(key=MINE, symbol=SYMBOLS)
    def remove_asset(self, key: str, symbol: str) -> None:
        name = self.keys[key]
        self.step(self.scene.remove_asset(name, symbol), self.model.remove_asset(name, symbol))

    @rule(maximum=st.sampled_from((5, 20)), listed=YES)
    def catalogue_changes(self, maximum: int, listed: bool) -> None:
        """Let the exchange change its maximum for one symbol, or delist it."""
        self.wait(self.exchange_says(str(maximum), listed=listed))
        self.model.maximum[LINEAR[0]] = maximum
        self.model.delisted = set() if listed else {LINEAR[0]}

    # Positions.

    @rule(bot=MINE, position=POSITIONS, ready=YES)
    def open_position(self, bot: str, position: str, ready: bool = False) -> None:
        """Report an opening, often with obstacles removed: walks without open positions reach
        little.
        """
        if ready:
            self.put_right(bot)
        self.report(bot, position, "opening")

    @rule(bot=MINE, position=POSITIONS, status=st.sampled_from(("open", "closed")))
    def say(self, bot: str, position: str, status: str) -> None:
        self.report(bot, position, status)

    @rule(
        bot=MINE,
        position=POSITIONS,
        symbol=st.sampled_from((*LINEAR[:1] * 4, *INVERSE)),
        status=st.sampled_from(("opening", "opening", "open", "closed")),
        side=st.sampled_from(("long", "long", "long", "short")),
        revision=st.none() | st.integers(1, 4),
        key=st.none() | st.none() | MINE,
    )
    def report(
        self,
        bot: str,
        position: str,
        status: str,
        symbol: str = LINEAR[0],
        side: str = "long",
        revision: int | None = None,
        key: str | None = None,
    ) -> None:
        more: dict[str, Any] = {"side": side, "revision": revision}
        if key is not None and self.keys[key] in self.model.keys:
            more["key_id"] = self.keys[key]
        name = self.bots[bot]
        expected = self.model.report(name, position, status, symbol, **more)
        self.step(self.scene.report(name, position, status, symbol, **more), expected)

    @rule(bot=MINE, position=POSITIONS)
    def close_by_hand(self, bot: str, position: str) -> None:
        name = self.bots[bot]
        expected = self.model.close_by_hand(name, position)
        self.step(self.scene.close_by_hand(name, position), expected)

    @rule(bot=MINE, swept=YES)
    def lapse(self, bot: str, swept: bool) -> None:
        """Let a reservation lapse. Whether the worker has swept it changes nothing that is
        visible.
        """
        self.wait(self.scene.lapse(self.bots[bot]))
        if swept:
            self.wait(self.scene.sweep())
        self.model.lapse(self.bots[bot])

    # What is stored, and what should be.

    @property
    def account_id(self) -> UUID:
        return next(iter(self.scene.bots.values())).account_id

    async def exchange_says(self, maximum: str, *, listed: bool) -> None:
        async with self.world.context.database.sessions.begin() as session:
            await session.execute(
                text(
                    "UPDATE instruments SET max_leverage = cast(:maximum AS numeric),"
                    " listed = :listed WHERE symbol = :symbol"
                ),
                {"maximum": maximum, "listed": listed, "symbol": LINEAR[0]},
            )

    async def rows(self) -> list[Any]:
        async with self.world.context.database.sessions() as session:
            row = (await session.execute(text(ROWS), {"account": self.account_id})).one()
        return [
            found or type(wanted)() for found, wanted in zip(row, self.expected_rows(), strict=True)
        ]

    def expected_rows(self) -> list[Any]:
        model = self.model
        return [
            {name: [bot.paused, bot.online, bot.key] for name, bot in model.bots.items()},
            {
                name: [key.active, key.contract_type, key.verification, key.trade]
                for name, key in model.keys.items()
            },
            {
                f"{name} {kind} {symbol}": [asset.leverage, asset.margin_mode, asset.enabled]
                for name, key in model.keys.items()
                for (kind, symbol), asset in key.assets.items()
            },
            {
                f"{bot} {name}": [
                    held.status,
                    held.close_reason,
                    held.key,
                    held.contract_type,
                    held.symbol,
                    held.side,
                    held.margin_mode,
                    held.revision,
                ]
                for (bot, name), held in model.positions.items()
            },
            model.events,
            [],
        ]
