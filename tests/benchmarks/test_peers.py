"""Peers beside us: what is asked of them, what is judged, and what is skipped."""

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.load import Measured
from benchmarks.output import exit_status
from benchmarks.peers import __main__ as program
from benchmarks.peers import in_process, installing
from benchmarks.peers.candidate import Candidate, Memory, Protection, memory_of
from benchmarks.peers.goals import Goal, judged
from benchmarks.peers.libraries import plain_file
from benchmarks.peers.load import LoadFailed, load_program
from benchmarks.peers.report import document, entry, table
from benchmarks.report import machine
from benchmarks.rounds import Effort

EFFORT = Effort(rounds=3, warm_up=0, seconds=0.05)
GOAL = Goal("a release beside a write", "Ours: release", "Theirs: write", 1.0)


def measured(per_second: float) -> Measured:
    return Measured(requests=10, per_second=per_second, p50=1.0, p99=2.0, body_bytes=0)


def candidate(name: str, measure: Callable[[Effort], Measured]) -> Candidate:
    peer, _, what = name.partition(": ")
    protection = Protection("a file's mode", "nothing", "none")
    return Candidate(peer, what, "synced", protection, measure, lambda: Memory(10, 20))


def in_order(calls: list[str], name: str, rates: Sequence[float]) -> Candidate:
    left = iter(rates)

    def measure(_: Effort) -> Measured:
        calls.append(name)
        return measured(next(left))

    return candidate(name, measure)


def test_all_are_measured_in_each_round_and_none_is_always_first() -> None:
    calls: list[str] = []
    cleared: list[str] = []
    ours = in_order(calls, "Ours: release", [1, 2, 3])
    theirs = replace(
        in_order(calls, "Theirs: write", [4, 5, 6]), prepare=lambda: cleared.append("")
    )

    rounds = program.measure([ours, theirs], EFFORT, {})

    assert [name[0] for name in calls] == ["O", "T", "T", "O", "O", "T"]
    assert [one.per_second for one in rounds["Theirs: write"]] == [4, 5, 6]
    assert len(cleared) == 3


def test_what_fails_under_the_load_is_skipped_with_the_reason() -> None:
    def fail(_: Effort) -> Measured:
        raise LoadFailed("the answer was HTTP/1.1 500")

    skipped: dict[str, str] = {}
    calls: list[str] = []
    failing, other = candidate("A: b", fail), in_order(calls, "C: d", [1, 2, 3])
    rounds = program.measure([failing, other], EFFORT, skipped)

    assert skipped == {"A: b": "it failed under this load: the answer was HTTP/1.1 500"}
    assert list(rounds) == ["C: d"]
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("ours", "verdict", "status"),
    [
        ((110, 120, 130), "ok", 0),
        ((80, 85, 90), "missed", 1),
        ((80, 95, 130), "unclear", 2),
    ],
)
def test_a_goal_is_judged_by_the_ratios_of_the_rounds(
    ours: Sequence[float], verdict: str, status: int
) -> None:
    rounds = {
        GOAL.one: [measured(rate) for rate in ours],
        GOAL.other: [measured(100)] * 3,
    }
    (row,) = judged(rounds, [GOAL])

    assert row.verdict == verdict
    assert exit_status([row], heed_budget=True) == status
    assert judged({GOAL.one: rounds[GOAL.one]}, [GOAL]) == []


def test_table_and_document_show_each_peer_and_why_one_is_missing() -> None:
    ours = candidate("Ours: release", lambda _: measured(1))
    found = entry(ours, [measured(250), measured(260), measured(240)], ours.memory())
    skipped = {"Theirs": "pip could not install it"}
    output = io.StringIO()

    Console(file=output, width=200).print(table([found], skipped))
    written = json.loads(json.dumps(document([found], skipped, [], machine("18.4"))))

    assert {"Ours", "release", "250", "1.00", "2.00", "10", "synced"} <= set(
        output.getvalue().split()
    )
    assert "skipped: pip could not install it" in output.getvalue()
    assert written["measured"][0]["spread"]["low"] == 240
    assert written["measured"][0]["resident_mib"] == 20
    assert written["skipped"] == skipped


def test_a_file_is_read_by_a_program_of_its_own(tmp_path: Path) -> None:
    with plain_file(tmp_path / "keys") as (reading,):
        found = reading.measure(EFFORT)

        assert found.requests >= 16
        assert 0 < found.p50 <= found.p99
        assert 5 < reading.memory().proportional < 200
        assert reading.note().startswith("a lone call: ")
    stored = json.loads((tmp_path / "keys/api-keys.json").read_text())
    assert len(stored) == in_process.KEYS
    assert in_process.plain_file(tmp_path / "keys")() == stored["user_25"]["secret"]


def test_every_caller_calls_at_least_once_however_long_it_takes() -> None:
    found = in_process.run(lambda: None, callers=3, seconds=0)

    assert found["requests"] >= 3


def test_a_program_that_fails_says_why() -> None:
    with pytest.raises(LoadFailed, match="ValueError: of the test"):
        load_program([sys.executable, "-c", "raise ValueError('of the test')"], EFFORT)


def test_a_peer_that_pip_cannot_install_has_a_reason(tmp_path: Path) -> None:
    lock, python = tmp_path / "that.lock", tmp_path / "python"
    lock.write_text("")
    python.write_text("#!/bin/sh\necho 'a warning\nERROR: no wheel fits\nmore' >&2\nexit 1\n")
    python.chmod(0o700)

    reason = installing.install_from(lock, tmp_path / "there", str(python))

    assert reason == "pip could not install that.lock: no wheel fits"
    assert not (tmp_path / "there/.installed").exists()


def test_memory_counts_descendants_and_shared_pages_once() -> None:
    found = memory_of([os.getpid()])

    assert 10 < found.proportional <= found.resident


def test_an_unknown_peer_is_named() -> None:
    assert list(program._chosen("jesse")) == ["jesse"]
    assert program._chosen("") == program.PEERS
    with pytest.raises(ValueError, match="vault is no peer; choose from jesse, OpenBao"):
        program._chosen("vault")


@pytest.mark.torture
@pytest.mark.timeout(1500)
def test_a_short_run_measures_or_skips_every_peer(tmp_path: Path) -> None:
    """It installs all of them at first, which takes minutes."""
    command = typer.Typer()
    command.command()(program.bench_peers)
    output = tmp_path / "peers.json"
    done = CliRunner().invoke(command, ["--quick", "--no-budget", "--output", str(output)])

    assert done.exit_code == 0, done.output
    written = json.loads(output.read_text())
    rates = {(one["peer"], one["what"]): one["per_second"] for one in written["measured"]}
    named = {peer for peer, _ in rates} | {name.partition(":")[0] for name in written["skipped"]}
    assert named == {"Botkeys", *program.PEERS}
    assert all(rate > 0 for rate in rates.values())
    assert len([peer for peer, _ in rates if peer == "Botkeys"]) == 4
    assert len(written["goals"]) == (2 if ("OpenBao", "KV read, audited") in rates else 0)
