"""What happens while a program runs: heartbeats, changes, and what is done about them."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.commands.run.conftest import Starter
from tests.sdk.commands.run.serving import ServedService
from tests.sdk.commands.run.test_programs import COUNTS, python

ENDS = """
import os, signal, time
def end(*_):
    print("ending", flush=True)
    os._exit(3)
signal.signal(signal.SIGTERM, end)
print("got", os.environ["SECRET"], flush=True)
while True:
    time.sleep(0.05)
"""
FROZEN: dict[str, Any] = {"may_open_positions": False, "blocked_by": ["frozen"]}
FREE: dict[str, Any] = {"may_open_positions": True, "blocked_by": []}
TAKEN: dict[str, Any] = {"key": None, "may_open_positions": False, "blocked_by": ["no_key"]}
LINGERS = """
import signal, time
found = []
signal.signal(signal.SIGTERM, lambda *_: found.append("TERM"))
print("ready", flush=True)
while not found:
    time.sleep(0.01)
print("closing", flush=True)
time.sleep(0.7)
print(*found, flush=True)
"""


def test_a_program_is_seen_and_changes_are_shown(served: ServedService, start: Starter) -> None:
    run = start("--preset json", *python(COUNTS)).until_printed("ready")
    served.until_heartbeats(1)
    served.change(**FROZEN)
    run.until_message("The bot may not open positions any more: frozen.")
    served.change(**FREE)
    run.until_message("The bot may open positions again.")
    served.service.replace_credentials(4)
    served.change()
    run.until_message("The credentials of the bot's key were replaced.")
    served.change(key=None)
    run.until_message("The bot's key was taken away from it.")
    assert "TERM" not in run.printed
    run.send(signal.SIGUSR1).until_printed("USR1")


@pytest.mark.parametrize("on_change", ["term", "restart"])
def test_a_program_that_takes_its_time_to_end_is_asked_once(
    on_change: str, served: ServedService, start: Starter
) -> None:
    run = start(f"--preset json --on-change {on_change}", *python(LINGERS)).until_printed("ready")
    served.until_heartbeats(1)
    served.change(**TAKEN)  # two changes in one
    run.until_printed("closing")
    served.change(**FROZEN)
    run.until_printed("TERM\n")
    assert "TERM TERM" not in run.printed
    if on_change == "term":
        assert run.ends() == 0
    else:
        run.until_message("Waiting until").send(signal.SIGTERM)
        assert run.ends() == 128 + signal.SIGTERM


def test_who_ends_a_program_that_is_to_be_started_again_ends_both(
    served: ServedService, start: Starter
) -> None:
    run = start("--preset json --on-change restart", *python(LINGERS)).until_printed("ready")
    served.until_heartbeats(1)
    served.service.replace_credentials(4)
    served.change()
    run.until_printed("closing")
    run.send(signal.SIGTERM)
    assert run.ends() == 0
    assert run.printed.count("ready") == 1


@pytest.mark.torture
def test_waiting_for_a_restart_ends_with_the_token(served: ServedService, start: Starter) -> None:
    run = start("--preset json --on-change restart", *python(ENDS.replace("SECRET", "PATH")))
    run.until_printed("got")
    served.until_heartbeats(1)
    served.change(**FROZEN)
    run.until_message("Waiting until")
    served.service.problem = (401, {"code": "unauthenticated", "detail": "No more."}, {})
    assert run.ends() == 77


@pytest.mark.parametrize("change", [FROZEN, TAKEN])
def test_a_program_is_ended_if_so_wished(
    change: dict[str, Any], served: ServedService, start: Starter
) -> None:
    run = start("--env SECRET=api_secret --on-change term", *python(ENDS)).until_printed("got")
    served.until_heartbeats(1)
    served.change(**change)
    assert run.ends() == 3
    assert run.printed.endswith("ending\n")


def test_a_program_is_started_again_with_the_new_credentials(
    served: ServedService, start: Starter
) -> None:
    run = start("--env SECRET=version --on-change restart", *python(ENDS)).until_printed("got 3")
    served.until_heartbeats(1)
    served.service.replace_credentials(4)
    served.change()
    run.until_printed("ending\ngot 4")
    assert served.releases == 2
    # Frozen, it waits without a program, and a signal then ends the command itself.
    served.change(**FROZEN)
    run.until_message("frozen").until_message("Waiting until")
    run.send(signal.SIGTERM)
    assert run.ends() == 128 + signal.SIGTERM


def test_a_revoked_token_ends_the_watch_and_not_the_program(
    served: ServedService, start: Starter
) -> None:
    run = start("--preset json", *python(COUNTS)).until_printed("ready")
    served.until_heartbeats(1)
    served.service.problem = (401, {"code": "unauthenticated", "detail": "No more."}, {})
    served.change()
    run.until_message("The program goes on without being seen or warned.")
    run.send(signal.SIGUSR1).until_printed("USR1")


@pytest.mark.parametrize(
    ("options", "config", "status", "message"),
    [
        ("--expect environment=live", {}, 78, "the bot's key has 'testnet'"),
        ("--expect exchange=okx --expect label=Other", {}, 78, "the bot's key has 'Perps'"),
        ("--expect exchange=okx", FROZEN, 77, "trading is frozen"),
        ("", {"key": None}, 77, "The bot has no key"),
        ("", {"blocked_by": ["key_inactive"]}, 77, "The bot's key is inactive"),
        ("--expect colour=red", {}, 64, "is not FIELD=VALUE"),
        ("--on-change sing", {}, 64, "is none of tell, term, restart"),
        ("--env KEY=colour", {}, 64, "'colour' is no field of a key"),
        ("--env BOTKEYS_X=api_key", {}, 64, "no variable that begins with BOTKEYS_"),
        ("--file A=missing.json", {}, 64, "cannot be read"),
        ("--url http://127.0.0.1:9", {}, 69, "did not respond"),
        ("--url http://botkeys.example", {}, 64, "https://"),
    ],
)
def test_a_refusal_says_why_and_starts_nothing(
    options: str,
    config: dict[str, Any],
    status: int,
    message: str,
    served: ServedService,
    start: Starter,
) -> None:
    served.change(**config)
    run = start(f"--preset json {options}", "echo", "started")
    assert run.ends() == status
    assert message in run.messages
    assert run.messages.startswith("botkeys: ")
    assert run.printed == ""


def test_a_frozen_bot_starts_without_expectations(served: ServedService, start: Starter) -> None:
    served.change(**FROZEN)
    assert start("--preset json", "true").ends() == 0


def test_without_a_program_nothing_is_fetched(
    served: ServedService, start: Starter, tmp_path: Path
) -> None:
    no_program = tmp_path / "notes"
    no_program.write_text("")
    no_program.chmod(0o600)
    assert start("--preset json", "no-such-program").ends() == 127
    assert start("--preset json", str(no_program)).ends() == 126
    assert served.releases == 0


def test_a_refused_token_ends_with_77(served: ServedService, start: Starter) -> None:
    served.service.problem = (401, {"code": "unauthenticated", "detail": "Who are you?"}, {})
    run = start("--preset json", "true")
    assert run.ends() == 77
    assert "Who are you?" in run.messages
