"""The order in which a process rereads configurations for its streams, and how many at once."""

from uuid import UUID

from app.domains.bots.config_rows import BotRef
from app.domains.runtime.stream.reread_queue import RereadQueue


def names(*numbers: int) -> list[BotRef]:
    return [(UUID(int=1), UUID(int=number)) for number in numbers]


def taken(hints: RereadQueue, rows: int = 1) -> list[list[BotRef]]:
    """Take batches until the queue is empty."""
    takes = []
    while take := hints.take(lambda _: rows):
        takes.append(take)
    return takes


async def test_what_changed_goes_before_what_is_due_and_each_bot_is_read_once() -> None:
    hints = RereadQueue()
    hints.due(names(1, 2, 3))
    for name in names(3, 4, 3):
        hints.changed(name)
    await hints.wait()
    assert taken(hints) == [names(3, 4, 1, 2)]


async def test_many_bots_and_bots_with_many_rows_are_read_few_at_a_time() -> None:
    hints = RereadQueue()
    hints.due(names(*range(1000)))
    by_bots = taken(hints)
    hints.due(names(*range(1000)))
    by_rows = taken(hints, rows=100)
    for takes, most in ((by_bots, 50), (by_rows, 4)):
        assert [name for take in takes for name in take] == names(*range(1000))
        assert {len(take) for take in takes} == {most}


async def test_a_change_overtakes_what_is_being_read_again() -> None:
    hints = RereadQueue()
    hints.due(names(*range(100)))
    first = hints.take(lambda _: 1)
    hints.changed(names(99)[0])
    second = hints.take(lambda _: 1)
    assert second[0] == names(99)[0]
    assert not set(first) & set(second)


async def test_bots_without_a_stream_are_passed_over() -> None:
    hints = RereadQueue()
    for name in names(1, 2):
        hints.changed(name)
    hints.due(names(3))
    assert hints.take(lambda name: int(name[1] == UUID(int=3))) == names(3)
    assert hints.take(lambda _: 1) == []
