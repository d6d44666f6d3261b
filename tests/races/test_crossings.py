"""Two concurrent operations: a lock keeps them apart, and leaving it out is noticed, which tests
the test.
"""

import pytest

from tests.races.crossings import (
    CROSSINGS,
    Crossing,
    meet,
)
from tests.races.scene import list_symbols
from tests.races.watch import AT_EACH_COMMIT
from tests.support.world import World

SURE_AND_QUICK = ("opening and deactivate", "opening and remove asset", "switch and heartbeat")


async def keeps_and_breaks(world: World, crossing: Crossing) -> None:
    assert await meet(world, crossing) == []
    assert await meet(world, crossing, without=crossing.without) == [crossing.breaks]


@pytest.mark.one_server(AT_EACH_COMMIT)
async def test_a_lock_that_is_left_out_breaks_the_rule_that_it_keeps(watched: World) -> None:
    await list_symbols(watched)
    chosen = [crossing for crossing in CROSSINGS if str(crossing).startswith(SURE_AND_QUICK)]
    assert len(chosen) == 4
    for crossing in chosen:
        await keeps_and_breaks(watched, crossing)


@pytest.mark.torture
@pytest.mark.parametrize("crossing", CROSSINGS, ids=str)
@pytest.mark.one_server(AT_EACH_COMMIT)
async def test_each_lock_that_is_left_out_breaks_a_rule(watched: World, crossing: Crossing) -> None:
    await list_symbols(watched)
    await keeps_and_breaks(watched, crossing)
