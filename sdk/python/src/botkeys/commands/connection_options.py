"""Which service a command talks to, and as whom: `--url` and `--token-file`, or their variables.

A token never stands in an argument, which every user of the machine can read.
"""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from botkeys.addresses import address_fault
from botkeys.commands.endings import UsageFault
from botkeys.sealing.secret import Secret
from botkeys.variables import TOKEN, TOKEN_FILE, URL

if TYPE_CHECKING:
    from botkeys.transport.outbound import Outbound

_LONGEST_TOKEN = 65_536
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar=URL,
        metavar="ADDRESS",
        help="The service's address: https://…, or http:// on this machine.",
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar=TOKEN_FILE,
        metavar="FILE",
        help=f"A file with the token. Without it, the token is read from {TOKEN}.",
    ),
]


def service_address(url: str | None) -> str:
    """Return the service's address without a slash at its end. Raises UsageFault."""
    if not url:
        raise UsageFault(
            f"Which service? Give its address with --url or {URL}.", code="url_missing"
        )
    fault = address_fault(url)
    if fault is not None:
        raise UsageFault(fault, code="insecure_address")
    return url.rstrip("/")


def outbound(variables: Mapping[str, str] = os.environ) -> "Outbound":
    """Return the way out that the variables describe. Raises UsageFault."""
    from botkeys.transport.outbound import Outbound, OutboundFault  # noqa: PLC0415  # not for help

    try:
        return Outbound.of_variables(variables)
    except OutboundFault as error:
        fault = str(error)
    raise UsageFault(fault, code="outbound_settings")


def read_token(
    token_file: Path | None,
    warn: Callable[[str], None],
    variables: Mapping[str, str] = os.environ,
) -> Secret:
    """Return the token, of a user or a bot. Raises UsageFault, which never quotes it.

    `warn` is given a sentence about a file that others may read.
    """
    text = variables.get(TOKEN, "") if token_file is None else _content(token_file, warn)
    token = Secret(text.strip())
    if not token.reveal():
        where = f"{TOKEN} is not set" if token_file is None else f"{token_file} is empty"
        raise UsageFault(
            f"There is no token: {where}. Give a file with it by --token-file or {TOKEN_FILE}.",
            code="token_missing",
        )
    if not token.reveal().isascii() or len(token.reveal().split()) != 1:
        where = f"The value of {TOKEN}" if token_file is None else str(token_file)
        raise UsageFault(f"{where} holds more than a token.", code="token_malformed")
    return token


def warn_if_others_may_read(
    path: Path, status: os.stat_result, warn: Callable[[str], None]
) -> None:
    """Warn about a file with a secret that not only its owner may read or change."""
    if os.name == "posix" and status.st_mode & _OTHERS:
        warn(f"Other users may read {path}: run `chmod 600 {path}`.")


def _content(path: Path, warn: Callable[[str], None]) -> str:
    try:
        with path.open("rb") as file:
            warn_if_others_may_read(path, os.fstat(file.fileno()), warn)
            content = file.read(_LONGEST_TOKEN + 1)
        if len(content) <= _LONGEST_TOKEN:
            return content.decode()
        fault = "is too long for a token"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        fault = "is not text"
    # Outside the except block, whose error would hold the content.
    raise UsageFault(f"The token file {path} {fault}.", code="token_unreadable")
