"""Token buckets: the rate, the burst, and a bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.buckets import Buckets


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(buckets: Buckets, name: object, attempts: int) -> int:
    return sum(buckets.take(name) == 0 for _ in range(attempts))


@pytest.mark.parametrize(("rate", "seconds"), [(100, 5), (20, 5), (1, 1), (0.2, 5), (300 / 60, 60)])
def test_the_whole_quota_may_come_at_once_and_then_the_rate(rate: float, seconds: float) -> None:
    clock = Clock()
    buckets = Buckets(rate, seconds, clock=clock)
    assert taken(buckets, "a", 2 * buckets.quota + 5) == buckets.quota == max(1, rate * seconds)
    for _ in range(20):
        clock.now += 1.001 / rate
        assert taken(buckets, "a", 3) == 1


def test_names_have_buckets_of_their_own_and_a_refusal_costs_nothing() -> None:
    clock = Clock()
    buckets = Buckets(1, 1, clock=clock)
    assert buckets.take("a") == 0
    for _ in range(100):
        assert 0 < buckets.take("a") == buckets.wait("a") <= 1
    assert buckets.wait("b") == 0
    assert buckets.take("b") == 0
    clock.now += buckets.wait("a") + 1e-6
    assert buckets.take("a") == 0


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 50), st.integers(1, 5))
def test_no_window_lets_through_more_than_the_quota_and_the_rate(
    pauses: list[float], rate: int, seconds: int
) -> None:
    clock = Clock()
    began = clock.now
    buckets = Buckets(rate, seconds, clock=clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += taken(buckets, "a", 7)
        assert passed <= buckets.quota + rate * (clock.now - began) + 1


def test_any_number_of_names_takes_no_more_memory_than_some_thousands() -> None:
    clock = Clock()
    buckets = Buckets(20, 5, capacity=1000, clock=clock)
    most = 0
    for number in range(200_000):
        clock.now += 1e-6
        buckets.take(number)
        most = max(most, len(buckets))
    assert most <= 2000


def test_an_empty_bucket_is_remembered_until_it_is_full_again() -> None:
    clock = Clock()
    buckets = Buckets(10, 5, clock=clock)
    assert taken(buckets, "greedy", 60) == 50
    for number in range(490):
        clock.now += 0.01
        buckets.take(number)
    # 4.9 s later: 49 of 50 were given back.
    assert taken(buckets, "greedy", 60) == 49


def test_what_others_took_is_taken_over() -> None:
    clock = Clock()
    buckets = Buckets(10, 1, clock=clock)
    buckets.fill("a", 0.5)
    assert taken(buckets, "a", 20) == 5
    buckets.fill("a", 3)
    assert buckets.wait("a") > 2
