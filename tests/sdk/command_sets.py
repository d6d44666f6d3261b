"""Commands as another package would add them to `botkeys`."""

import typer

from botkeys.cli import CommandSet


class Unplugged(Exception):
    """A failure of the machine, not of the code."""


_app = typer.Typer()
_nested = typer.Typer(help="Nested commands.")
_app.add_typer(_nested, name="nested")


@_app.command()
def greet(name: str) -> None:
    typer.echo(f"Hello {name}")


@_nested.command("fail")
def fail(kind: str) -> None:
    raise Unplugged("The cable is out.") if kind == "cable" else ZeroDivisionError


added = CommandSet(_app, lambda error: str(error) if isinstance(error, Unplugged) else None)
