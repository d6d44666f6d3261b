"""Exchanges as people name them: by our ids, or by ccxt's, which may imply more."""

import difflib
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from botkeys.commands.endings import UsageFault
from botkeys.commands.output import plain
from botkeys.environment import Environment


class ContractTypeName(StrEnum):
    LINEAR = "linear"
    INVERSE = "inverse"


def complete_exchange(incomplete: str) -> list[str]:
    """Return the names that begin so, for the shell."""
    from botkeys.exchanges.ccxt_ids import CCXT_IDS  # noqa: PLC0415  # only for completion
    from botkeys.exchanges.model import ExchangeId  # noqa: PLC0415  # as above

    return sorted({name for name in (*ExchangeId, *CCXT_IDS) if name.startswith(incomplete)})


ExchangeArgument = Annotated[
    str,
    typer.Argument(
        metavar="EXCHANGE",
        help="The exchange, such as `okx`, or its id in ccxt, such as `binanceusdm`.",
        autocompletion=complete_exchange,
    ),
]
EnvironmentOption = Annotated[
    Environment, typer.Option("--environment", "-e", help="Real money, or test funds.")
]
RegionOption = Annotated[
    str | None, typer.Option("--region", help="The exchange's site, where it has several.")
]
ContractTypeOption = Annotated[
    ContractTypeName | None,
    typer.Option(
        "--contract-type",
        "-c",
        help="What the key trades; may be left out where the exchange's name says it.",
    ),
]


@dataclass(frozen=True, slots=True)
class Market:
    """A part of an exchange that a key trades on."""

    exchange: str
    environment: Environment
    region: str | None
    contract_type: str


def find_market(
    name: str,
    environment: Environment,
    region: str | None,
    contract_type: ContractTypeName | None,
    *,
    otherwise: str | None = None,
) -> Market:
    """Return what was named. `otherwise`: the contract type if nothing says it.

    Raises UsageFault with what the exchange offers.
    """
    from botkeys.exchanges.ccxt_ids import CCXT_IDS, from_ccxt  # noqa: PLC0415  # not for help
    from botkeys.exchanges.model import ExchangeId  # noqa: PLC0415  # as above
    from botkeys.exchanges.profiles import ALL  # noqa: PLC0415  # as above

    profiles = {profile.exchange: profile for profile in ALL}
    meant = None if name in profiles else from_ccxt(name)
    if name not in profiles and meant is None:
        near = difflib.get_close_matches(name.lower(), (*profiles, *CCXT_IDS), 1)
        hint = f" Did you mean {near[0]}?" if near else f" They are {', '.join(ExchangeId)}."
        raise UsageFault("There is no such exchange here." + hint, code="unknown_exchange")
    profile = profiles[name if meant is None else meant.exchange.value]
    implied_region = None if meant is None else meant.region
    implied_type = None
    if meant is not None and meant.contract_type is not None:
        implied_type = ContractTypeName(meant.contract_type.value)
    if implied_region is not None and region not in {None, implied_region}:
        raise UsageFault(f"{name} is {profile.name} in the region {implied_region}.")
    if implied_type is not None and contract_type not in {None, implied_type}:
        raise UsageFault(f"{name} has {implied_type} contracts only.")
    offered = [str(each) for each in profile.contract_types]
    only = offered[0] if len(offered) == 1 else None
    chosen_type = contract_type or implied_type or only or otherwise
    if chosen_type is None:
        raise UsageFault(f"Which contracts? Add --contract-type {' or '.join(offered)}.")
    if chosen_type not in offered:
        raise UsageFault(f"{profile.name} offers {' and '.join(offered)} contracts only.")
    chosen_region = region or implied_region
    regions = profile.environments[environment].regions
    if chosen_region is not None and chosen_region not in regions:
        listed = f"its regions are {', '.join(regions)}" if regions else "it has no regions"
        given = plain(chosen_region)
        raise UsageFault(f"{profile.name} {environment} has no region {given}: {listed}.")
    return Market(profile.exchange, environment, chosen_region, str(chosen_type))
