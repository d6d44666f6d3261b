"""What a command prints: one JSON document, or tables for people. Warnings go to standard error."""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from botkeys.commands.endings import CommandError, Ending, UsageFault

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_WIDTH_OF_A_FILE = 240
_BETWEEN = 3  # between two columns of a table
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def plain(value: object) -> str:
    """Return text for a terminal: without control and invisible characters, `-` for nothing."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in _HIDDEN else character
        for character in str(value)
    )


def pick(document: object, *path: str) -> Any:
    """Return a member of a document, or of one inside of it; `None` where there is none.

    A service of another release may leave out what this one knows.
    """
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


class Output:
    """The output of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, document: Any, render: Callable[["Console"], None]) -> None:
        """Print the command's one result."""
        if self.as_json:
            # ASCII, so that no locale can stop it; surrogates of a broken name included.
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            return
        from rich.console import Console  # noqa: PLC0415  # slow to import, and not for JSON

        width = None if sys.stdout.isatty() else _WIDTH_OF_A_FILE
        render(Console(width=width, highlight=False, markup=False, emoji=False))

    def warn(self, sentence: str) -> None:
        typer.secho(f"botkeys: {plain(sentence)}", err=True, fg="yellow")

    def show_beforehand(self, render: Callable[["Console"], None]) -> None:
        """Show what a question is about, on standard error as the question."""
        from rich.console import Console  # noqa: PLC0415  # as above

        render(Console(stderr=True, highlight=False, markup=False, emoji=False))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Return if the user agrees. Raises UsageFault where nobody can be asked."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageFault(
                f"{plain(question)} Nobody can be asked here: add --yes to agree.",
                code="not_confirmed",
            )
        if not typer.confirm(plain(question), err=True):
            raise CommandError("Nothing was changed.", ending=Ending.FAILED, code="not_confirmed")


@contextmanager
def answering(*, as_json: bool) -> Iterator[Output]:
    """Yield the command's output. With `--json`, an error is a document as well."""
    try:
        yield Output(as_json=as_json)
    except CommandError as error:
        if as_json:
            document = {**error.members, "code": error.code, "detail": str(error)}
            exit_status = {"exit_status": int(error.ending)}
            sys.stdout.write(json.dumps({"error": document, **exit_status}, indent=2) + "\n")
        raise


def table(
    console: "Console", columns: Sequence[str], rows: Sequence[Sequence[object]], nothing: str
) -> None:
    """Print a table; `nothing` is the sentence for one without rows.

    On a terminal that is too narrow each row is a block, with a line for each cell.
    """
    from rich import box  # noqa: PLC0415  # slow to import, and not for JSON
    from rich.cells import cell_len  # noqa: PLC0415  # as above
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    if not rows:
        console.print(nothing)
        return
    shown = [[plain(cell) for cell in row] for row in rows]
    widths = (max(map(cell_len, column)) for column in zip(columns, *shown, strict=True))
    if sum(widths) + _BETWEEN * (len(columns) - 1) > console.width:
        for row in rows:
            facts(console, dict(zip(columns, row, strict=True)))
            console.print()
        return
    printed = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # An id or a label that is cut is of no use.
        printed.add_column(column, overflow="fold")
    for row in shown:
        printed.add_row(*map(Text, row))
    console.print(printed)


def facts(console: "Console", members: Mapping[str, object]) -> None:
    """Print names and values, one a line."""
    from rich.table import Table  # noqa: PLC0415  # slow to import, and not for JSON
    from rich.text import Text  # noqa: PLC0415  # as above

    printed = Table.grid(padding=(0, 2))
    for name, value in members.items():
        printed.add_row(Text(name), Text(plain(value), overflow="fold"))
    console.print(printed)


def text(console: "Console", content: str) -> None:
    """Print lines exactly, such as a public key: never wrapped."""
    for line in content.splitlines():
        console.out(plain(line) if line else "", highlight=False)
