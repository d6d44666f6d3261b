"""How credentials reach a program: by variables, by files and by arguments that name the files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from botkeys.commands.run.given import Given
from botkeys.commands.run.memory_files import CredentialFiles
from botkeys.sealing.secret import Secret

OWN_VARIABLES = "BOTKEYS_"
"""What the names of our own variables begin with: they hold a token, and reach no program."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that a program reads.

    Its path is the value of `variable`, and takes the place of `{placeholder}` in arguments. A
    program that reads one path only finds a `link` there. `read_by_program`: it is opened by the
    very process that is started, which inherits a memfd.
    """

    name: str
    content: Secret
    variable: str | None = None
    placeholder: str | None = None
    link: Path | None = None
    read_by_program: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a program gets. `ways` are for people, without a value."""

    ways: str
    variables: Mapping[str, Secret] = field(default_factory=dict)
    files: Sequence[PlannedFile] = ()
    arguments: Sequence[str] = ()
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Words in braces that are replaced in arguments; none is a credential."""
    withheld: Sequence[str] = ()
    """Variables that would take precedence over what is given."""


class Preset(Protocol):
    """A program's own way to take credentials."""

    name: str
    takes_address: bool
    """Whether the program can be given another address of its exchange."""

    def deliver(self, given: Given, command: Sequence[str], /) -> Delivery:
        """Return what the program gets. Raises CommandError for a key that it cannot use."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is started: arguments and variables, and descriptors to inherit."""

    command: tuple[str, ...]
    variables: dict[str, str] = field(repr=False)
    descriptors: tuple[int, ...]


def prepare(
    command: Sequence[str],
    deliveries: Sequence[Delivery],
    files: CredentialFiles,
    variables: Mapping[str, str],
) -> Prepared:
    """Make the files, and return the command with what leads to them."""
    given = {name: value for name, value in variables.items() if not name.startswith(OWN_VARIABLES)}
    words: dict[str, str] = {}
    for delivery in deliveries:
        for name in delivery.withheld:
            given.pop(name, None)
        words |= delivery.replaced
        for planned in delivery.files:
            make = files.write_memfd if planned.read_by_program else files.write
            path = make(planned.name, planned.content)
            if planned.link is not None:
                files.link(planned.link, path)
            if planned.variable is not None:
                given[planned.variable] = str(path)
            if planned.placeholder is not None:
                words[planned.placeholder] = str(path)
        given |= {name: value.reveal() for name, value in delivery.variables.items()}
    added = [argument for delivery in deliveries for argument in delivery.arguments]
    return Prepared(
        tuple(_replace(argument, words) for argument in (*command, *added)),
        given,
        files.descriptors,
    )


def _replace(argument: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        argument = argument.replace("{" + word + "}", value)
    return argument
