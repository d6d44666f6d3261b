"""A few pass at a time, in order."""

import asyncio
from functools import partial
from itertools import pairwise

from app.kit.turnstile import Turnstile


async def test_the_first_pass_at_once_and_the_others_in_order_a_few_in_a_turn() -> None:
    turnstile = Turnstile(3, seconds=0.02)
    passed: list[tuple[int, float]] = []
    loop = asyncio.get_running_loop()

    all_passed = asyncio.Event()

    def note(number: int) -> bool:
        passed.append((number, loop.time()))
        if number == 9:
            all_passed.set()
        return True

    for number in range(10):
        turnstile.enter(partial(note, number))
    assert [number for number, _ in passed] == [0, 1, 2]
    assert turnstile.waiting == 7
    await all_passed.wait()
    assert turnstile.waiting == 0
    assert [number for number, _ in passed] == list(range(10))
    turns = [at for number, at in passed if number % 3 == 0]
    assert all(later - before > 0.01 for before, later in pairwise(turns))
    # A new one does not pass those that wait, and nobody waits once a turn has gone by.
    turnstile.enter(partial(note, 10))
    assert passed[-1][0] == 10
    await asyncio.sleep(0.05)
    for number in (11, 12, 13):
        turnstile.enter(partial(note, number))
    assert [number for number, _ in passed[-3:]] == [11, 12, 13]
    await asyncio.sleep(0.05)


async def test_what_has_nothing_left_to_do_takes_nobodys_place() -> None:
    turnstile = Turnstile(2, seconds=0.02)
    called: list[str] = []

    def call(name: str) -> bool:
        called.append(name)
        return not name.startswith("gone")

    for name in ("one", "two", *(f"gone {number}" for number in range(100)), "three", "four"):
        turnstile.enter(partial(call, name))
    assert called == ["one", "two"]
    await asyncio.sleep(0.03)

    assert called[-2:] == ["three", "four"]
    assert turnstile.waiting == 0
    await asyncio.sleep(0.02)
