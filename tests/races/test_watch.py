"""The watch itself: each rule, when broken by hand, is reported by its name, and nothing
else is.
"""

import pytest

from tests.races.scene import LINEAR, Scene, list_symbols
from tests.races.watch import AT_EACH_COMMIT, broken_since, last_turn, superuser
from tests.support.database import Server
from tests.support.world import World

POSITION = """
    INSERT INTO positions (account_id, bot_id, id, key_id, exchange, environment, contract_type,
        symbol, side, status, quantity, expires_at, close_reason, revision)
    SELECT account_id, {bot}, 'p', {key}, 'binance', 'testnet', 'linear', '{symbol}', 'long',
        '{status}', 1, CASE '{status}' WHEN 'opening' THEN clock_timestamp() + interval '1 min' END,
        CASE '{status}' WHEN 'closed' THEN 'reported' END, 7 FROM accounts"""
NOTHING = "SELECT"
OPENING, OPEN, CLOSED = (
    POSITION.replace("{status}", status) for status in ("opening", "open", "closed")
)
ONLINE = """
    INSERT INTO presence (account_id, bot_id, lease_until)
    SELECT account_id, id, clock_timestamp() + interval '1 min' FROM bots"""

# What is committed first, what is committed then, and the rule that this breaks, if any. The bot
# has the key, which is active and has both linear symbols; `spare` is a second such key.
CASES = [
    (NOTHING, OPENING, None),
    (OPENING, "UPDATE positions SET status = 'open', expires_at = NULL", None),
    (OPEN, "UPDATE bots SET paused = true", None),
    (OPEN, "UPDATE keys SET active = false", None),
    (OPEN, "UPDATE trading_assets SET leverage = 3, enabled = false", None),
    (CLOSED, "UPDATE bots SET key_id = NULL", None),
    (CLOSED, "DELETE FROM bots", None),
    (OPEN, "UPDATE bots SET key_id = {spare}", "a bot's key changed while it had open positions"),
    (OPENING, "UPDATE bots SET key_id = NULL", "a bot's key changed while it had open positions"),
    (OPEN, "DELETE FROM bots", "a bot deleted while it had open positions"),
    (
        "UPDATE keys SET active = false",
        "UPDATE bots SET key_id = {spare}",
        "a key assigned while it was inactive",
    ),
    (
        OPENING,
        "UPDATE keys SET contract_type = 'inverse'",
        "a contract type switched while a position was open",
    ),
    (
        ONLINE,
        "UPDATE keys SET contract_type = 'inverse'",
        "a contract type switched while the bot was online",
    ),
    (
        NOTHING,
        "UPDATE keys SET environment = 'live' WHERE id = {spare}",
        "a key moved to another exchange or environment",
    ),
    (
        OPENING,
        "UPDATE trading_assets SET margin_mode = 'isolated'",
        "a margin mode changed while a position was open",
    ),
    (OPEN, "DELETE FROM trading_assets", "an asset removed while a position was open"),
    (
        NOTHING,
        "UPDATE trading_assets SET leverage = 21",
        "a leverage above the maximum saved",
    ),
    ("UPDATE bots SET paused = true", OPENING, "an opening allowed in spite of bot_paused"),
    ("UPDATE keys SET active = false", OPENING, "an opening allowed in spite of key_inactive"),
    (
        "UPDATE keys SET permission_trade = 'no'",
        OPENING,
        "an opening allowed in spite of key_cannot_trade",
    ),
    (
        "UPDATE keys SET permission_withdraw = 'yes'",
        OPENING,
        "an opening allowed in spite of withdrawal_permission",
    ),
    (
        "UPDATE keys SET unverified = true",
        OPENING,
        "an opening allowed in spite of unverified",
    ),
    (
        "UPDATE trading_assets SET enabled = false",
        OPENING,
        "an opening allowed in spite of asset_disabled",
    ),
    ("DELETE FROM trading_assets", OPENING, "an opening allowed in spite of unknown_asset"),
    (
        "UPDATE instruments SET max_leverage = 5",
        OPENING,
        "an opening allowed in spite of leverage_above_max",
    ),
    (
        "DELETE FROM trading_assets",
        OPEN,
        "a position opened without permission and without an event",
    ),
    (OPEN, "DELETE FROM positions", "a position deleted"),
    (CLOSED, "UPDATE positions SET symbol = 'ETHUSDT'", "a position became another"),
    (
        CLOSED,
        "UPDATE positions SET status = 'open', close_reason = NULL",
        "a position went backwards",
    ),
    (CLOSED, "UPDATE positions SET revision = 6", "a revision fell"),
]


@pytest.mark.one_server(AT_EACH_COMMIT)
async def test_each_rule_that_is_broken_is_reported(watched: World, server: Server) -> None:
    await list_symbols(watched)
    scene = Scene(watched)
    bot, key = await scene.add_bot(), await scene.add_key(*LINEAR)
    spare = await scene.add_key(*LINEAR)
    await scene.assign(bot, key)
    names = {"bot": f"'{bot}'", "key": f"'{key}'", "spare": f"'{spare}'", "symbol": LINEAR[0]}

    async with superuser(watched, server) as database:
        for before, then, rule in CASES:
            await database.execute("BEGIN")
            await database.execute("SET CONSTRAINTS ALL IMMEDIATE")
            await database.execute(before.format(**names))
            turn = await last_turn(database)
            await database.execute(then.format(**names))
            broken = await broken_since(database, turn)
            await database.execute("ROLLBACK")
            assert broken == ([] if rule is None else [rule]), then
