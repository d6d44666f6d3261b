"""Credentials as a user gives them to a command: typed without echo, or in a file. Never as an
argument, which every user of the machine can read.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from botkeys.commands.connection_options import warn_if_others_may_read
from botkeys.commands.endings import BadData
from botkeys.commands.hidden_prompt import hidden_prompts
from botkeys.sealing.secret import Secret

_LARGEST = 65_536
_STANDARD_INPUT = "-"
_NAMES = {
    "api_key": ("api_key", "apiKey", "key"),
    "api_secret": ("api_secret", "secret"),
    "api_passphrase": ("api_passphrase", "passphrase", "password"),
}
_PASSPHRASES = frozenset({"okx", "kucoin"})

CredentialsOption = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        metavar="FILE",
        help="A file with the credentials, `-` for standard input; they are asked for without it. "
        "API key, secret and passphrase on a line each, or JSON with api_key, api_secret, "
        "api_passphrase.",
    ),
]


@dataclass(frozen=True, slots=True, eq=False)
class Entered:
    """What was given, not tidied yet."""

    api_key: Secret
    api_secret: Secret | None = None
    api_passphrase: Secret | None = None

    def body(self) -> dict[str, str]:
        """Return the members of a request."""
        members = {
            "api_key": self.api_key,
            "api_secret": self.api_secret,
            "api_passphrase": self.api_passphrase,
        }
        return {name: value.reveal() for name, value in members.items() if value is not None}


def enter_credentials(
    source: Path | None,
    exchange: str,
    warn: Callable[[str], None],
    *,
    api_key_alone: bool = False,
) -> Entered:
    """Return what the user gives. Raises UsageFault and BadData, which never quote any of it."""
    if source is None:
        return _asked(exchange, api_key_alone=api_key_alone)
    content = read_bounded(source, warn, largest=_LARGEST)
    found = _from_json(content) or _from_lines(content.splitlines())
    if found is None or (found.api_secret is None and not api_key_alone):
        raise BadData(
            f"{_name(source)} must hold the API key and the secret, on a line each or as JSON with "
            "api_key and api_secret.",
            code="credentials_missing",
        )
    return found


def read_bounded(source: Path, warn: Callable[[str], None], *, largest: int) -> str:
    """Return the text of a file with secrets, or of standard input for `-`.

    Raises BadData for what is too large, no text, or cannot be read. Warns about a file that others
    may read.
    """
    fault = ""
    try:
        if str(source) == _STANDARD_INPUT:
            content = sys.stdin.buffer.read(largest + 1)
        else:
            with source.open("rb") as file:
                warn_if_others_may_read(source, os.fstat(file.fileno()), warn)
                content = file.read(largest + 1)
        if len(content) <= largest:
            return content.decode("utf-8-sig")
        fault = f"is larger than {largest:,} bytes"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        fault = "is not text in UTF-8"
    # Outside the except block, whose error would hold the content.
    raise BadData(f"{_name(source)} {fault}.", code="file_unreadable")


def _name(source: Path) -> str:
    return "Standard input" if str(source) == _STANDARD_INPUT else str(source)


def _asked(exchange: str, *, api_key_alone: bool) -> Entered:
    with hidden_prompts() as ask:
        api_key = ask("API key (not shown)")
        if api_key_alone:
            return Entered(api_key)
        api_secret = ask("API secret (not shown)")
        passphrase = None
        if exchange in _PASSPHRASES:
            passphrase = ask("Passphrase (not shown; empty if it is part of the secret)")
            passphrase = passphrase if passphrase.reveal() else None
    return Entered(api_key, api_secret, passphrase)


def _from_json(content: str) -> Entered | None:
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    found = {
        name: next((document[alias] for alias in aliases if document.get(alias)), None)
        for name, aliases in _NAMES.items()
    }
    return _entered(found["api_key"], found["api_secret"], found["api_passphrase"])


def _from_lines(lines: Iterable[str]) -> Entered | None:
    """Return credentials of two or three lines. A private key in PEM form counts as one."""
    values: list[str] = []
    inside = False
    for line in lines:
        bare = line.strip()
        if inside:
            values[-1] += f"\n{bare}"
            inside = not bare.startswith("-----END ")
        elif bare:
            values.append(bare)
            inside = bare.startswith("-----BEGIN ")
    if not 1 <= len(values) <= len(_NAMES):
        return None
    return _entered(*values)


def _entered(key: Any, secret: Any = None, passphrase: Any = None) -> Entered | None:
    values = (key, secret, passphrase)
    if not key or not all(value is None or isinstance(value, str) for value in values):
        return None
    return Entered(
        Secret(key),
        None if secret is None else Secret(secret),
        None if passphrase is None else Secret(passphrase),
    )
