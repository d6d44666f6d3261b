"""The command `botkeys`. Modules are imported by the command that needs them: help stays quick."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints, entry_points, version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from botkeys.commands import assets, bots, check, keys
from botkeys.commands.endings import CommandError, Ending
from botkeys.commands.run.command import HELP
from botkeys.commands.run.command import run as run_command
from botkeys.core_dumps import forbid_core_dumps

GROUP = "botkeys.commands"
"""The entry-point group in which a package names the `CommandSet` that it adds."""

_STATUS_OF_TYPER = 2  # for wrong usage

SERVER = "server"
SERVER_COMMANDS = (
    "audit",
    "dashboard",
    "dev",
    "doctor",
    "grants",
    "health",
    "master-key",
    "migrate",
    "openapi",
    "operations",
    "restored",
    "serve",
    "simulator",
    "token",
    "worker",
)
"""What `botkeys-server` adds, so that its absence can be explained."""


@dataclass(frozen=True, slots=True)
class CommandSet:
    """Commands that a package adds.

    `explain` returns the sentence for an error that the configuration or the machine caused, and
    `None` for any other: that one is a fault of the code, and keeps its traceback.
    """

    commands: typer.Typer
    explain: Callable[[Exception], str | None]


def main() -> None:
    """Run the command that the process's arguments name.

    Whatever it is, no crash writes the keys and tokens that it handles to a disk.
    """
    forbid_core_dumps()
    run(entry_points(group=GROUP))


def run(found: EntryPoints, arguments: Sequence[str] | None = None) -> None:
    """Run a command with what the entry points add. Ends with SystemExit."""
    sets = [added for entry in found if (added := _load(entry)) is not None]
    cli = _make_cli(sets)
    if SERVER not in found.names:
        _explain_absent(cli, SERVER_COMMANDS, "botkeys-server")
    try:
        cli(arguments)
    except CommandError as error:
        _complain(str(error))
        sys.exit(error.ending)
    except Exception as error:
        sentence = next(filter(None, (added.explain(error) for added in sets)), None)
        if sentence is None:
            raise
        _complain(sentence)
        sys.exit(1)


class _Root(TyperGroup):
    """The command itself, which ends wrong usage of any subcommand with the same status."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _status_of_usage():
            return super().make_context(*arguments, **options)

    def invoke(self, context: Any) -> Any:
        with _status_of_usage():
            return super().invoke(context)


@contextmanager
def _status_of_usage() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        if error.exit_code == _STATUS_OF_TYPER:
            error.exit_code = Ending.USAGE
        raise


def _make_cli(sets: Sequence[CommandSet]) -> typer.Typer:
    cli = typer.Typer(
        name="botkeys",
        cls=_Root,
        help="Keeps the exchange API keys of automated trading bots.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    cli.callback()(_options)
    cli.add_typer(own_commands())
    for added in sets:
        cli.add_typer(added.commands)
    return cli


def own_commands() -> typer.Typer:
    """Return the commands of the SDK itself. Their modules declare them, and import little."""
    own = typer.Typer()
    as_written = {"allow_interspersed_args": False}
    own.command("run", help=HELP, context_settings=as_written)(run_command)
    own.command()(check.check)
    own.add_typer(keys.app, name="keys")
    own.add_typer(assets.app, name="assets")
    own.add_typer(bots.app, name="bots")
    return own


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"botkeys {version('botkeys')}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that stand before any command."""


def _load(entry: EntryPoint) -> CommandSet | None:
    """Return what the entry point names; without it the other commands still work."""
    try:
        added: CommandSet = entry.load()
    except (ImportError, AttributeError) as error:
        _complain(f"The commands of {entry.value} cannot be loaded: {error}")
        return None
    return added


def _explain_absent(cli: typer.Typer, names: Sequence[str], package: str) -> None:
    for name in names:

        def absent(context: typer.Context) -> None:
            _complain(f"{context.info_name} is part of {package}, which is not installed here.")
            raise typer.Exit(2)

        anything = {"ignore_unknown_options": True, "allow_extra_args": True}
        cli.command(name, hidden=True, add_help_option=False, context_settings=anything)(absent)


def _complain(sentence: str) -> None:
    typer.secho(f"botkeys: {sentence}", err=True, fg="red")
