"""The circuit in isolation, on a clock that the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botkeys.transport.host_gate import LONGEST_HOLD, Circuit, CircuitRule, HostGate, Rate

RULE = CircuitRule(failures=3, window=60, pause=10)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(RULE, clock)


@pytest.fixture
def opened(circuit: Circuit) -> Circuit:
    for _ in range(RULE.failures):
        circuit.failed()
    return circuit


def test_failures_in_a_row_open_a_circuit(circuit: Circuit) -> None:
    for _ in range(RULE.failures - 1):
        circuit.failed()
    assert circuit.admit() == 0
    circuit.failed()
    assert circuit.admit() == RULE.pause


def test_one_success_ends_the_row(circuit: Circuit) -> None:
    for _ in range(5):
        circuit.failed()
        circuit.failed()
        circuit.succeeded()
    assert circuit.admit() == 0


def test_failures_far_apart_open_nothing(circuit: Circuit, clock: Clock) -> None:
    for _ in range(10):
        circuit.failed()
        clock.now += RULE.window / 2 + 1
    assert circuit.admit() == 0


def test_after_the_pause_one_call_goes_on_trial_and_the_others_wait(
    opened: Circuit, clock: Clock
) -> None:
    clock.now += RULE.pause
    assert opened.admit() == 0
    assert opened.admit() == RULE.pause
    opened.succeeded()
    assert opened.admit() == 0
    assert opened.admit() == 0


def test_a_failed_trial_opens_the_circuit_again(opened: Circuit, clock: Clock) -> None:
    clock.now += RULE.pause
    assert opened.admit() == 0
    clock.now += 5
    opened.failed()
    assert opened.admit() == RULE.pause


def test_a_trial_that_was_given_up_does_not_block_for_ever(opened: Circuit, clock: Clock) -> None:
    clock.now += RULE.pause
    assert opened.admit() == 0
    clock.now += RULE.pause
    assert opened.admit() == 0


@given(st.lists(st.sampled_from(["fail", "succeed", "ask", "wait"]), max_size=40))
def test_no_call_waits_longer_than_a_pause_and_success_always_closes(steps: list[str]) -> None:
    clock = Clock()
    circuit = Circuit(RULE, clock)
    for step in steps:
        if step == "wait":
            clock.now += 4
        elif step == "ask":
            assert 0 <= circuit.admit() <= RULE.pause
        elif step == "fail":
            circuit.failed()
        else:
            circuit.succeeded()
            assert circuit.admit() == 0


async def test_a_spent_public_share_does_not_hold_back_signed_calls() -> None:
    gate = HostGate(1, Rate(1, 1), RULE)
    gate.hold(30, signed_too=False)
    assert gate.held(signed=False) > 29
    assert gate.held(signed=True) == 0
    gate.hold(20, signed_too=True)
    assert gate.held(signed=False) > 29
    assert 19 < gate.held(signed=True) <= 20


async def test_no_answer_keeps_calls_away_for_ever() -> None:
    gate = HostGate(1, Rate(1, 1), RULE)
    gate.hold(1e9, signed_too=True)
    assert gate.held(signed=True) <= LONGEST_HOLD
