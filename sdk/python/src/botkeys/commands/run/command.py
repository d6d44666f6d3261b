"""The options of `botkeys run`. Everything else is imported once it is known what to do."""

import asyncio
import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from botkeys.commands.connection_options import (
    TokenFileOption,
    UrlOption,
    outbound,
    read_token,
    service_address,
)
from botkeys.commands.endings import UsageFault

if TYPE_CHECKING:
    from botkeys.commands.run.supervisor import Wanted
    from botkeys.sealing.secret import Secret

_ADDRESS = "rest_url"
_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)

HELP = """Start a program with its bot's credentials, and stay with it.

The program is not changed: its credentials reach it the way it already reads them (--preset), or
in variables and files of your choice. It runs as if nothing stood before it: signals are passed
on, and its exit status is returned. Meanwhile the bot is seen as online, its credentials are looked
after, and changes are shown.

Example: botkeys run --preset freqtrade -- freqtrade trade -c config.json

Own exit statuses, before anything was started: 64 wrong options, 69 the service is away, 77 refused
(no key, an inactive one, or frozen with --expect), 78 not what --expect says, 126 and 127 as of a
shell: no program.
"""


def run(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND…", help="The program and its arguments.")
    ],
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How the program reads credentials: freqtrade, passivbot, nautilus, cryptofeed, "
            "hummingbot-api, env or json.",
        ),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="Start nothing unless the key is this one: environment=testnet, exchange, "
            "contract_type, label or key_id. Then a paused or frozen bot is not started either.",
        ),
    ] = None,
    on_change: Annotated[
        str,
        typer.Option(
            metavar="tell|term|restart",
            help="When the key changes, or no position may be opened any more: write a line, end "
            "the program with SIGTERM, or end it and start it again once that is possible.",
        ),
    ] = "tell",
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FIELD", help="Put a field of the key into a variable."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TEMPLATE",
            help="Write a file from a template with {{api_key}} and other fields. Its path is in "
            "the variable NAME, and takes the place of {NAME} in arguments.",
        ),
    ] = None,
    disk: Annotated[
        bool,
        typer.Option("--disk", help="Permit files on a disk, where no tmpfs is to be had."),
    ] = False,
    sign: Annotated[
        bool,
        typer.Option(
            "--sign",
            help="Give the program placeholders, and sign its calls to Binance, Bybit or OKX here: "
            "it never holds the key. For freqtrade, passivbot, json, and where rest_url is given.",
        ),
    ] = False,
    max_order_value: Annotated[
        str | None,
        typer.Option(
            metavar="AMOUNT",
            help="With --sign: refuse an order above this value, in the quote asset, or in USD for "
            "inverse contracts.",
        ),
    ] = None,
) -> None:
    if os.name != "posix":
        raise UsageFault("botkeys run needs Linux or macOS.")
    address = service_address(url)
    token = read_token(token_file, _tell)
    wanted = _read(command, preset, expect, on_change, env, file, disk)
    wanted = _signing(wanted, max_order_value, sign=sign)
    raise typer.Exit(_supervise(address, token, wanted, os.environ))


def _read(
    command: list[str],
    preset: str | None,
    expect: list[str] | None,
    on_change: str,
    env: list[str] | None,
    file: list[str] | None,
    disk: bool,
) -> "Wanted":
    """Return what the options say. Raises CommandError; nothing has been called yet."""
    from botkeys.commands.run.child import find_program  # noqa: PLC0415  # see above
    from botkeys.commands.run.chosen import parse_files, parse_variables  # noqa: PLC0415
    from botkeys.commands.run.expectations import parse_expectations  # noqa: PLC0415
    from botkeys.commands.run.presets import find_preset  # noqa: PLC0415
    from botkeys.commands.run.supervisor import OnChange, Wanted  # noqa: PLC0415

    if on_change not in set(OnChange):
        raise UsageFault(f"--on-change {on_change!r} is none of {', '.join(OnChange)}.")
    wanted = Wanted(
        command=command,
        presets=[] if preset is None else [find_preset(preset)],
        chosen_variables=parse_variables(env or ()),
        chosen_files=parse_files(file or ()),
        expectations=parse_expectations(expect or ()),
        on_change=OnChange(on_change),
        disk=disk,
    )
    if not (wanted.presets or wanted.chosen_variables or wanted.chosen_files):
        raise UsageFault("How does the program get its credentials? Add --preset, --env or --file.")
    find_program(command[0], os.environ)
    return wanted


def _signing(wanted: "Wanted", max_order_value: str | None, *, sign: bool) -> "Wanted":
    """Add what `--sign` says. Raises UsageFault where the program would not find the proxy."""
    if not sign:
        if max_order_value is not None:
            raise UsageFault("--max-order-value belongs to --sign: nothing else sees the orders.")
        return wanted
    given = any(each.field == _ADDRESS for each in wanted.chosen_variables)
    given = given or any(_ADDRESS in each.template for each in wanted.chosen_files)
    if not given and not (wanted.presets and all(each.takes_address for each in wanted.presets)):
        raise UsageFault(
            "With --sign the program has to find the proxy: give it the address as well, as with "
            f"--env EXCHANGE_URL={_ADDRESS}."
        )
    limit = None
    if max_order_value is not None:
        if not _AMOUNT.fullmatch(max_order_value) or not Decimal(max_order_value):
            raise UsageFault(f"--max-order-value {max_order_value!r} is no positive amount.")
        limit = Decimal(max_order_value)
    return replace(wanted, sign=True, max_order_value=limit)


def _supervise(
    address: str, token: "Secret", wanted: "Wanted", variables: Mapping[str, str]
) -> int:
    from botkeys.commands.run.memory_files import remove_stale  # noqa: PLC0415  # see above
    from botkeys.commands.run.session import supervise  # noqa: PLC0415
    from botkeys.commands.run.signals import blocked, passed_on  # noqa: PLC0415

    way_out = outbound(variables)
    remove_stale(variables)
    signals = passed_on()
    # Before any thread is started: all of them inherit it.
    with blocked(signals | {signal.SIGCHLD}) as mask:
        return asyncio.run(
            supervise(address, token, wanted, variables, signals, mask, _tell, way_out)
        )


def _tell(sentence: str) -> None:
    with suppress(OSError):  # its reader is gone
        typer.echo(f"botkeys: {sentence}", err=True)
