"""Random concurrent changes over real connections: no rule of docs/rules.md breaks."""

import pytest

from tests.races.scene import Scene, list_symbols
from tests.races.statements import recorded_statements
from tests.races.turmoil import ANSWERS, Broken, Turmoil
from tests.races.watch import AT_EACH_COMMIT, story, violations
from tests.support.world import World

ROUNDS = 5
CHANGES = 25
# Locks whose absence, in every operation, the hammer detects.
LEFT_OUT = [("bots", "keys"), ("trading_assets",), ("positions",)]


async def hammer(
    world: World, seed: int, *, rounds: int, changes: int = CHANGES, without: tuple[str, ...] = ()
) -> Turmoil:
    """Run rounds of concurrent changes, each write slightly delayed as on a loaded machine.

    Raises Broken at the first round in which a rule breaks or an answer is an error.
    """
    await list_symbols(world)
    turmoil = Turmoil(Scene(world), seed)
    with recorded_statements(world.context.database.engine) as statements:
        statements.lateness, statements.chance = 0.01, turmoil.chance
        statements.removed = {(name, table) for name in ANSWERS for table in without}
        for _ in range(rounds):
            await turmoil.settle()
            await turmoil.round(changes)
            broken = await violations(world)
            if broken:
                raise Broken(seed, broken, await story(world))
    return turmoil


def is_a_rule_or_an_error(broken: Broken) -> bool:
    """Return whether a rule broke or an error occurred.

    An answer that is merely missing in `ANSWERS` does not count: it would occur with the lock too.
    """
    _, what, details = broken.args
    return isinstance(what, dict) or '"status":500' in details


async def test_changes_in_random_order_break_no_rule(watched: World) -> None:
    turmoil = await hammer(watched, 1, rounds=ROUNDS)

    done = {name for name, answer in turmoil.answers if answer < "4"}
    assert {"opening", "open", "closed", "assign", "switch", "activate"} <= done


@pytest.mark.one_server(AT_EACH_COMMIT)
async def test_without_locks_the_same_changes_do_break_a_rule(watched: World) -> None:
    """The test of the test: what finds nothing above finds something here."""
    with pytest.raises(Broken) as caught:
        await hammer(watched, 1, rounds=10 * ROUNDS, without=("bots", "keys"))
    assert is_a_rule_or_an_error(caught.value)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 6))
async def test_thousands_of_changes_in_random_order_break_no_rule(
    watched: World, seed: int
) -> None:
    turmoil = await hammer(watched, seed, rounds=60, changes=40)

    assert {name for name, answer in turmoil.answers if answer < "4"} == set(ANSWERS)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(6, 8))
@pytest.mark.parametrize("tables", LEFT_OUT, ids=" and ".join)
@pytest.mark.one_server(AT_EACH_COMMIT)
async def test_a_lock_that_is_left_out_is_noticed(
    watched: World, seed: int, tables: tuple[str, ...]
) -> None:
    with pytest.raises(Broken) as caught:
        await hammer(watched, seed, rounds=300, without=tables)
    assert is_a_rule_or_an_error(caught.value)
