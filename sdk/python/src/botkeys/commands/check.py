"""`botkeys check`: what an exchange says about a key, asked from this machine and no service."""

from typing import Annotated

import typer

from botkeys.commands.entered_credentials import CredentialsOption
from botkeys.commands.exchange_names import (
    ContractTypeOption,
    EnvironmentOption,
    ExchangeArgument,
    RegionOption,
    find_market,
)
from botkeys.commands.output import JsonOption, answering
from botkeys.variables import EXCHANGE_HOSTS


def check(
    exchange: ExchangeArgument,
    environment: EnvironmentOption,
    region: RegionOption = None,
    contract_type: ContractTypeOption = None,
    credentials: CredentialsOption = None,
    as_json: JsonOption = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=60, help="Seconds for all calls of the exchange together.")
    ] = 15,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="One address in place of all of the exchange's hosts, such as a simulated one's.",
        ),
    ] = None,
    hosts: Annotated[
        str | None,
        typer.Option(
            envvar=EXCHANGE_HOSTS,
            metavar="JSON",
            help="Hosts that replace the exchanges' own, as the service's setting of that name.",
        ),
    ] = None,
) -> None:
    """Look at an exchange API key from this machine; no service is needed.

    Shows whether the exchange accepts the key, what it permits, when it ends, whose account it is,
    and whether it is bound to addresses. The key and its secret are asked for, or read from a file.

    Status: 0 accepted, 65 cannot be right, 69 the exchange did not say, 77 refused, 78 accepted but
    dangerous, since it can withdraw.
    """
    with answering(as_json=as_json) as output:
        market = find_market(exchange, environment, region, contract_type, otherwise="linear")
        from botkeys.commands import exchange_check  # noqa: PLC0415  # slow, and not for help

        status = exchange_check.run(market, credentials, (host, hosts), timeout, output)
    raise typer.Exit(status)
