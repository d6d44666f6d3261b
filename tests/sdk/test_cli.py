"""The command `botkeys`: alone, and with what other packages add."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints, entry_points

import pytest
import typer

from app.cli import commands
from botkeys.cli import GROUP, SERVER, SERVER_COMMANDS, run

ALONE = EntryPoints([])


def entries(value: str, name: str = "other") -> EntryPoints:
    return EntryPoints([EntryPoint(name, value, GROUP)])


ADDED = entries("tests.sdk.command_sets:added")


def ends(found: EntryPoints, *arguments: str) -> object:
    """Return the exit status."""
    with pytest.raises(SystemExit) as caught:
        run(found, arguments)
    return caught.value.code


def test_alone_it_has_help_and_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(ALONE, "--help") == 0
    shown = capsys.readouterr().out
    assert "--version" in shown
    assert "serve" not in shown
    assert ends(ALONE, "--version") == 0
    assert capsys.readouterr().out == "botkeys 0.1.0\n"


def test_a_package_adds_commands_and_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(ADDED, "--help") == 0
    shown = capsys.readouterr().out
    assert "greet" in shown
    assert "Nested commands." in shown
    assert ends(ADDED, "greet", "Ada") == 0
    assert capsys.readouterr().out == "Hello Ada\n"


def test_an_error_that_its_package_explains_is_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends(ADDED, "nested", "fail", "cable") == 1
    assert capsys.readouterr().err == "botkeys: The cable is out.\n"


def test_an_error_that_nobody_explains_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(ADDED, ["nested", "fail", "code"])


@pytest.mark.parametrize("name", SERVER_COMMANDS)
@pytest.mark.parametrize("rest", [(), ("--help",), ("verify", "--role", "api")])
def test_a_command_of_the_server_is_missed_in_a_sentence(
    name: str, rest: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = f"botkeys: {name} is part of botkeys-server, which is not installed here.\n"
    assert ends(ALONE, name, *rest) == 2
    assert capsys.readouterr() == ("", expected)


def test_what_no_package_has_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(ALONE, "swim") == 64
    assert "No such command 'swim'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("--swim",), ("greet",), ("greet", "Ada", "Bob"), ("greet", "--swim", "Ada")]
)
def test_wrong_usage_has_one_status_everywhere(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(ADDED, *arguments) == 64
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", ["tests.sdk.nowhere:x", "tests.sdk.command_sets:x"])
def test_a_package_that_is_broken_takes_nothing_else_away(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(entries(value, SERVER), "--version") == 0
    printed = capsys.readouterr()
    assert printed.out == "botkeys 0.1.0\n"
    assert printed.err.startswith(f"botkeys: The commands of {value} cannot be loaded: ")


def test_the_server_adds_the_commands_that_are_missed_without_it() -> None:
    group = typer.main.get_group(commands.commands)
    assert sorted(group.commands) == sorted(SERVER_COMMANDS)


def test_this_environment_has_the_server_s_commands() -> None:
    assert {entry.name: entry.load() for entry in entry_points(group=GROUP)} == {SERVER: commands}


AFTERWARDS = """
import contextlib, ctypes, resource, sys
from botkeys.cli import main
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
with contextlib.redirect_stdout(None), contextlib.suppress(SystemExit):
    main()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux")
@pytest.mark.parametrize("arguments", [("--version",), ("master-key", "--help")])
def test_no_command_leaves_a_core(arguments: tuple[str, ...]) -> None:
    """Every command passes `main`, so those that handle keys and tokens do."""
    done = subprocess.run(  # noqa: S603  # our own interpreter and our own text
        [sys.executable, "-c", AFTERWARDS, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(0, 0) 0\n"
