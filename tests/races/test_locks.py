"""Each operation takes its own locks, in one order for all (docs/architecture.md)."""

from typing import NamedTuple

from tests.races import crossings
from tests.races.crossings import CROSSINGS, SYMBOL, Before, Cast, Operation
from tests.races.scene import Scene, list_symbols, outcome
from tests.races.statements import OPERATION, recorded_statements
from tests.support.world import World

ORDER = (
    *("accounts", "bots", "presence", "keys", "trading_assets", "positions", "webhooks"),
    "audit_heads",
)
ENTERED = "accounts SHARE"
RECORDED = "audit_heads UPDATE"


class Taking(NamedTuple):
    before: Before
    operation: Operation
    locks: tuple[str, ...]


REPORT = (ENTERED, "bots SHARE", "keys SHARE", "trading_assets SHARE", "positions UPDATE")
OF_BOT = (ENTERED, "bots UPDATE", "keys UPDATE", RECORDED)
OF_KEY = (ENTERED, "keys UPDATE", RECORDED)
OF_ASSET = (ENTERED, "keys SHARE", "trading_assets UPDATE", RECORDED)
TAKEN = (
    Taking(Cast.has_key, crossings.OPENING, REPORT),
    Taking(Cast.has_key, crossings.OPEN, REPORT),
    Taking(Cast.reserves, crossings.CLOSED, (ENTERED, "bots SHARE", "positions UPDATE")),
    Taking(Cast.reserves, crossings.CLOSE_BY_HAND, (ENTERED, "positions UPDATE", RECORDED)),
    Taking(
        Cast.has_key,
        crossings.ORDERS,
        (ENTERED, "bots SHARE", "keys SHARE", "trading_assets SHARE"),
    ),
    Taking(Cast.has_key, crossings.LOOK, (ENTERED, "bots SHARE", "keys UPDATE")),
    Taking(Cast.had_key, crossings.ASSIGN, OF_BOT),
    Taking(Cast.has_key_and_spare, crossings.SWAP, OF_BOT),
    Taking(Cast.has_key, crossings.UNASSIGN, OF_BOT),
    Taking(Cast.has_key, crossings.PAUSE, OF_BOT),
    Taking(Cast.has_key, crossings.DELETE_BOT, OF_BOT),
    Taking(Cast.has_key, crossings.DEACTIVATE, OF_KEY),
    Taking(Cast.had_key, crossings.DELETE_KEY, OF_KEY),
    Taking(
        Cast.has_key,
        crossings.SWITCH,
        (ENTERED, "bots UPDATE", "presence UPDATE", "keys UPDATE", RECORDED),
    ),
    Taking(Cast.has_key, crossings.ADD_ASSET, (ENTERED, "keys SHARE", RECORDED)),
    Taking(Cast.has_key, crossings.CHANGE_MODE, OF_ASSET),
    Taking(
        Cast.has_key_of_bybit,
        crossings.CHANGE_MODE_OF_ALL,
        (ENTERED, "keys UPDATE", "trading_assets UPDATE", RECORDED),
    ),
    Taking(Cast.has_key, crossings.DISABLE, OF_ASSET),
    Taking(Cast.has_key, crossings.REMOVE, OF_ASSET),
    Taking(Cast.has_key, crossings.FREEZE, ("accounts NO KEY UPDATE", RECORDED)),
    Taking(Cast.has_webhook, crossings.CHANGE_WEBHOOK, (ENTERED, "webhooks UPDATE", RECORDED)),
)

UPDATES = "it checks nothing, and its UPDATE waits for openings and assignments by itself"
# Locks without which no rule breaks, and why. All others are in `CROSSINGS`.
COVERED = {
    ("pause", "bots"): UPDATES,
    ("pause", "keys"): UPDATES,
    ("deactivate", "keys"): UPDATES,
    ("disable", "trading_assets"): UPDATES,
    ("freeze", "accounts"): "it checks nothing; openings share the account until they commit",
    ("look", "keys"): "it checks nothing; of two looks at once the later could be lost",
    ("look", "bots"): "a look after a swap would go to the former key, whose credentials it is of",
    ("delete bot", "keys"): "an opening shares the lock on the bot too",
    ("swap", "keys"): "as in assign",
    ("assign", "bots"): "as in swap",
    ("closed", "bots"): "a closing holds nothing; the bot is locked so that a dead token waits",
    ("change margin mode", "keys"): "without its key or its contract type the asset is not found",
    ("change margin mode of all", "trading_assets"): "the lock on the keys keeps openings away",
    ("disable", "keys"): "the same",
    ("change webhook", "webhooks"): "only its revision is checked: see test_quotas.py",
    ("remove asset", "keys"): "the same",
    ("orders", "trading_assets"): "a change of mode that comes first has counted no order",
}


async def test_each_operation_takes_its_locks_in_the_order_of_the_design(watched: World) -> None:
    """Rule R29."""
    await list_symbols(watched)
    for before, operation, locks in TAKEN:
        scene = Scene(watched, account=operation.name)
        cast = Cast(scene, await scene.add_bot(), await scene.add_key(SYMBOL))
        await before(cast)
        with recorded_statements(watched.context.database.engine) as statements:
            OPERATION.set(operation.name)
            answer = outcome(await operation.do(cast))
            OPERATION.set("")

        assert answer[0] == "2", (operation.name, answer)
        taken = [f"{lock.table} {lock.strength}" for lock in statements.taken[operation.name]]
        assert taken == list(locks), operation.name


def test_the_order_is_one_for_all() -> None:
    """Rule R29."""
    for _, operation, locks in TAKEN:
        places = [ORDER.index(lock.partition(" ")[0]) for lock in locks]
        assert places == sorted(set(places)), operation.name


def test_each_lock_is_left_out_by_a_test_or_listed_as_covered() -> None:
    taken = {
        (operation.name, lock.partition(" ")[0])
        for _, operation, locks in TAKEN
        for lock in locks
        # The account's lock matters for freezes only; the last one belongs to the audit chain.
        if lock != RECORDED and (lock != ENTERED or operation.name in {"opening", "open"})
    }
    left_out = {
        (crossing.first.name, table) for crossing in CROSSINGS for table in crossing.without
    }

    assert left_out <= taken
    assert taken - left_out == set(COVERED)
