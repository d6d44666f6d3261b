"""CPU time of processes: own, of children that run and of former ones."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.cpu import (
    apart,
    backends,
    children,
    cpu_seconds,
    cpu_seconds_of_server,
    precise_cpu_seconds,
)

_A_TICK = 1 / os.sysconf("SC_CLK_TCK")
_WORK = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)"


def test_a_process_s_time_is_its_own() -> None:
    before = time.process_time()
    found = cpu_seconds(os.getpid())
    precise = precise_cpu_seconds(os.getpid())

    assert before - 2 * _A_TICK <= found <= time.process_time() + 2 * _A_TICK
    assert precise == pytest.approx(found, abs=1)


def test_a_server_s_time_has_its_children_s_also_when_they_have_ended() -> None:
    before = cpu_seconds_of_server(os.getpid())
    waiting = f"{_WORK}\ninput()"
    child = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-c", waiting, "a_login", "more"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    running = cpu_seconds_of_server(os.getpid()) - before
    assert child.pid in children(os.getpid())
    child.communicate(b"\n")
    ended = cpu_seconds_of_server(os.getpid()) - before

    assert running >= 0.2 - 2 * _A_TICK
    assert ended >= running - 2 * _A_TICK
    assert child.pid not in children(os.getpid())


def test_backends_of_a_login_are_found_by_their_titles() -> None:
    title = "import time; print(flush=True); time.sleep(60) # postgres: a_cluster a_login there"
    command = [sys.executable, "-c", title]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  # our own program
    try:
        assert child.stdout is not None
        child.stdout.readline()

        assert backends(os.getpid(), "a_login") == [child.pid]
        assert backends(os.getpid(), "a_log") == []
    finally:
        child.kill()
        child.communicate()


def test_a_server_and_others_are_on_different_processors_as_long_as_it_is_wanted() -> None:
    processors = os.sched_getaffinity(0)
    command = [sys.executable, "-c", "input()"]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe) as server,  # noqa: S603  # our own program
        subprocess.Popen(command, stdin=pipe) as other,  # noqa: S603
    ):
        with apart(server.pid, other.pid):
            of_server, of_other = map(os.sched_getaffinity, (server.pid, other.pid))
            assert of_server | of_other == processors
            assert len(processors) == 1 or not of_server & of_other
        assert os.sched_getaffinity(server.pid) == os.sched_getaffinity(other.pid) == processors

        with apart(server.pid, other.pid):
            server.communicate(b"\n")
        assert os.sched_getaffinity(other.pid) == processors
