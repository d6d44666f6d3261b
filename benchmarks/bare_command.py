"""A bare Typer program with two commands: what the library of a command line costs to start."""

import typer

program = typer.Typer()


@program.command()
def one() -> None:
    """Do one thing."""


@program.command()
def other() -> None:
    """Do another."""


if __name__ == "__main__":
    program()
