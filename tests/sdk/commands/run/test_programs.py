"""A table of programs, each started as if nothing stood before it."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sdk.commands.run.conftest import SECRETS, Starter
from tests.sdk.commands.run.runs import Run
from tests.sdk.commands.run.serving import ServedService

FORKS = """
import os, sys
read = os.environ["CREDENTIALS_FILE"]
if os.fork() == 0:
    print("child", len(open(read).read()) > 100, flush=True)
    os._exit(0)
os.wait()
print("parent", len(open(read).read()) > 100, flush=True)
"""
IGNORES_TERM = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"asked\\n"))
os.write(1, b"ready\\n")
until = time.monotonic() + 3
while time.monotonic() < until:
    time.sleep(0.05)
raise SystemExit(5)
"""
COUNTS = """
import os, signal, time
names = {signal.SIGINT: "INT", signal.SIGQUIT: "QUIT", signal.SIGTERM: "TERM",
         signal.SIGHUP: "HUP", signal.SIGUSR1: "USR1", signal.SIGUSR2: "USR2"}
for number in names:
    signal.signal(number, lambda number, _: os.write(1, f"{names[number]}\\n".encode()))
os.write(1, b"ready\\n")
while True:
    time.sleep(0.05)
"""


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", program)


def shell(program: str) -> tuple[str, ...]:
    return ("sh", "-c", program)


def terminated(run: Run) -> None:
    run.until_printed("ready").send(signal.SIGTERM).until_printed("asked")


ROWS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "exits with 7": (shell("exit 7"), 7, ""),
    "is killed": (shell("kill -9 $$"), 137, ""),
    "prints its environment": (("env",), 0, "CREDENTIALS_FILE="),
    "reads its file twice": (shell('wc -l < "$CREDENTIALS_FILE"; wc -l < {credentials}'), 0, "15"),
    "forks": (python(FORKS), 0, "child True\nparent True\n"),
    "is a pipeline": (shell('cat "$CREDENTIALS_FILE" | grep -c api_ ; exit 3'), 3, "3\n"),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_program_ends_as_it_would_alone_and_leaves_nothing(
    row: str, start: Starter, memory: Path, tmp_path: Path
) -> None:
    """R68."""
    command, status, printed = ROWS[row]
    run = start("--preset json", *command)
    assert run.ends() == status
    assert printed in run.printed
    assert "BOTKEYS_" not in run.printed
    assert run.messages.count("\n") == 1
    leaves_nothing(run, memory, tmp_path)


def leaves_nothing(run: Run, *folders: Path) -> None:
    """Check that no credential is in a file or in what was printed, nor any file left."""
    for folder in folders:
        found = [path for path in folder.rglob("*") if path.is_file()]
        texts = [path.read_bytes() for path in found]
        assert not [text for text in texts if any(each.encode() in text for each in SECRETS)]
    assert list(folders[0].iterdir()) == []
    assert not [each for each in SECRETS if each in run.printed + run.messages]


@pytest.mark.torture
def test_a_program_may_take_its_time_to_end(start: Starter, memory: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    run = start("--preset json", *python(IGNORES_TERM))
    terminated(run)
    assert run.ends() == 5
    assert time.monotonic() - began >= 3
    leaves_nothing(run, memory, tmp_path)


def test_signals_are_passed_on_and_the_files_go_with_the_program(
    start: Starter, memory: Path, tmp_path: Path
) -> None:
    run = start("--preset json", *python(COUNTS)).until_printed("ready")
    (file,) = memory.rglob("credentials.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    for name in ("INT", "QUIT", "TERM", "HUP", "USR1", "USR2"):
        run.send(getattr(signal, f"SIG{name}")).until_printed(f"{name}\n")
    os.kill(run.program(), signal.SIGKILL)
    assert run.ends() == 128 + signal.SIGKILL
    leaves_nothing(run, memory, tmp_path)


@pytest.mark.parametrize(("key", "name"), [(b"\x03", "INT"), (b"\x1c", "QUIT")])
def test_the_keys_of_a_terminal_reach_the_program_once(
    key: bytes, name: str, start: Starter
) -> None:
    ours, theirs = pty.openpty()
    run = start("--preset env", *python(COUNTS), terminal=os.ttyname(theirs))
    run.until_printed("ready")
    os.write(ours, key)
    run.until_printed(name)
    # What is sent to the command alone is passed on, also from another terminal.
    run.send(signal.SIGUSR1).until_printed("USR1")
    assert run.printed.count(name) == 1
    run.send(getattr(signal, f"SIG{name}")).send(signal.SIGUSR2).until_printed("USR2")
    assert run.printed.count(name) == 2
    os.kill(run.program(), signal.SIGKILL)
    run.ends()
    for each in (ours, theirs):
        os.close(each)


def test_a_job_stops_and_goes_on_with_its_program(start: Starter) -> None:
    run = start("--preset env", *python(COUNTS)).until_printed("ready")
    program = run.program()
    run.send(signal.SIGTSTP)
    until(lambda: state(run.pid) == state(program) == "T")
    run.send(signal.SIGCONT)
    until(lambda: "T" not in state(run.pid) + state(program))
    run.send(signal.SIGUSR1).until_printed("USR1")


def test_nothing_shows_the_credentials_while_the_program_runs(start: Starter) -> None:
    """R68."""
    run = start("--preset json", *python(COUNTS)).until_printed("ready")
    program = Path(f"/proc/{run.program()}")
    for place in ("environ", "cmdline"):
        shown = (program / place).read_bytes()
        assert not [each for each in SECRETS if each.encode() in shown]
        assert b"BOTKEYS_" not in shown
        assert start.variables["BOTKEYS_TOKEN"].encode() not in shown


def test_only_what_was_asked_for_is_in_the_environment(start: Starter) -> None:
    run = start("--env KEY=api_key --env WHERE=exchange", "env")
    assert run.ends() == 0
    printed = dict(line.split("=", 1) for line in run.printed.splitlines())
    assert (printed["KEY"], printed["WHERE"]) == ("PLANTED-api-key", "okx")
    assert not [each for each in SECRETS[1:] if each in run.printed]
    assert not [each for each in SECRETS if each in run.messages]


def test_a_killed_parent_takes_its_program_along_and_the_next_run_cleans_up(
    start: Starter, memory: Path, tmp_path: Path
) -> None:
    run = start("--preset json", *python(COUNTS)).until_printed("ready")
    run.send(signal.SIGKILL)
    assert run.ends() == -signal.SIGKILL
    until(lambda: "TERM" in run.printed)
    assert list(memory.rglob("credentials.json"))
    os.kill(run.program(), signal.SIGKILL)
    after = start("--preset json", "true")
    assert after.ends() == 0
    leaves_nothing(after, memory, tmp_path)


def test_a_run_leaves_the_files_of_another_that_goes_on(start: Starter, memory: Path) -> None:
    run = start("--preset json", *python(COUNTS)).until_printed("ready")
    assert start("--preset json", "true").ends() == 0
    assert list(memory.rglob("credentials.json"))
    run.send(signal.SIGTERM)


def test_the_command_itself_is_no_different(
    served: ServedService, start: Starter, memory: Path
) -> None:
    command = [str(Path(sys.executable).with_name("botkeys")), "run", "--preset", "json", "--"]
    done = subprocess.run(  # noqa: S603  # our own command
        [*command, *shell("cat {credentials}; exit 9")],
        env=start.variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    assert json.loads(done.stdout)["api_secret"] == "PLANTED-api-secret"
    assert list(memory.iterdir()) == []
    assert served.releases == 1


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
