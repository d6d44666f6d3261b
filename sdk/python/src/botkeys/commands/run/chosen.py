"""What the user chose beside a preset: `--env NAME=field` and `--file NAME=template`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from botkeys.commands.endings import UsageFault
from botkeys.commands.run.delivery import OWN_VARIABLES, Delivery, PlannedFile
from botkeys.commands.run.given import FIELDS, Given
from botkeys.commands.run.refusals import UnknownField
from botkeys.sealing.secret import Secret

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_QUOTED = frozenset({".json", ".toml", ".yaml", ".yml"})
_SUFFIXES = (".template", ".tmpl")
_LONGEST_TEMPLATE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChosenVariable:
    """A variable that holds a field."""

    name: str
    field: str


@dataclass(frozen=True, slots=True)
class ChosenFile:
    """A file made from a template, whose path is in a variable of this name."""

    name: str
    file_name: str
    template: str


def parse_variables(texts: Sequence[str]) -> tuple[ChosenVariable, ...]:
    """Read the values of `--env`. Raises UsageFault."""
    chosen = []
    for text in texts:
        name, field = _split("--env", text, "NAME=field")
        if field not in FIELDS:
            raise UnknownField(field, FIELDS)
        chosen.append(ChosenVariable(name, field))
    return tuple(chosen)


def parse_files(texts: Sequence[str]) -> tuple[ChosenFile, ...]:
    """Read the values of `--file`, and the templates. Raises UsageFault."""
    chosen = []
    for text in texts:
        name, path = _split("--file", text, "NAME=template")
        template = _read(Path(path))
        for field in _FIELD.findall(template):
            if field not in FIELDS:
                raise UnknownField(field, FIELDS)
        file_name = Path(path).name
        for suffix in _SUFFIXES:
            file_name = file_name.removesuffix(suffix)
        chosen.append(ChosenFile(name, file_name, template))
    names = [file.file_name for file in chosen]
    if len(set(names)) < len(names):
        raise UsageFault("Two templates of --file have the same file name: rename one.")
    return tuple(chosen)


def deliver_chosen(
    given: Given, variables: Sequence[ChosenVariable], files: Sequence[ChosenFile]
) -> Delivery:
    """Return what the user asked for beside a preset."""
    ways = [f"the variable {each.name}" for each in variables]
    ways += [f"a file at ${each.name}" for each in files]
    return Delivery(
        ways=", ".join(ways),
        variables={each.name: given.field(each.field) for each in variables},
        files=[
            PlannedFile(
                each.file_name,
                _fill(each, given),
                variable=each.name,
                placeholder=each.name,
            )
            for each in files
        ],
    )


def _fill(file: ChosenFile, given: Given) -> Secret:
    """Put the fields into the template; in JSON, YAML and TOML as the inside of "…"."""
    quoted = Path(file.file_name).suffix.lower() in _QUOTED

    def value(match: re.Match[str]) -> str:
        text = given.field(match[1]).reveal()
        return json.dumps(text)[1:-1] if quoted else text

    return Secret(_FIELD.sub(value, file.template))


def _split(option: str, text: str, form: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not value or not _NAME.fullmatch(name):
        raise UsageFault(f"{option} {text!r} is not {form}, with letters, digits and _ in NAME.")
    if name.startswith(OWN_VARIABLES):
        raise UsageFault(f"{option} {text!r}: no variable that begins with BOTKEYS_ is passed on.")
    return name, value


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_TEMPLATE + 1)
        if len(content) <= _LONGEST_TEMPLATE:
            return content.decode()
        fault = "is longer than 1 MiB"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        fault = "is not UTF-8"
    raise UsageFault(f"The template {path} {fault}.")
