"""What a program gets with `--sign`: placeholders, and the address of a proxy that signs."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from decimal import Decimal

from botkeys.client import BotClient
from botkeys.commands.run.given import Given
from botkeys.commands.run.refusals import NoPlace
from botkeys.exchanges.hosts import HostOverrides
from botkeys.exchanges.model import Endpoints
from botkeys.exchanges.registry import ADAPTERS
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy import SigningProxy, market
from botkeys.transport.outbound import Outbound


def signing_for(
    bot: BotClient, max_order_value: Decimal | None, outbound: Outbound | None = None
) -> Callable[[Given], AbstractAsyncContextManager[Given]]:
    """Return what replaces a key's credentials by placeholders, for as long as a program runs."""

    @asynccontextmanager
    async def stand_in(given: Given) -> AsyncIterator[Given]:
        try:
            part = market(
                given.exchange,
                given.environment,
                given.contract_type,
                given.region,
                _hosts_of(given),
            )
        except ValueError as error:
            raise NoPlace(f"--sign cannot sign for this key: {error}.") from None
        proxy = SigningProxy(
            bot, given.exchange, part, max_order_value=max_order_value, outbound=outbound
        )
        async with proxy:
            held = proxy.placeholder
            passphrase = held.api_passphrase
            yield replace(
                given,
                api_key=Secret(held.api_key),
                api_secret=Secret(held.api_secret),
                api_passphrase=None if passphrase is None else Secret(passphrase),
                endpoints=Endpoints(proxy.address, proxy.websocket_base),
                own_address=False,
            )

    return stand_in


def _hosts_of(given: Given) -> HostOverrides | None:
    """Return the setting for addresses that stand for all hosts of the exchange."""
    if given.own_address or given.endpoints.rest is None:
        return None
    adapter = ADAPTERS[given.exchange]
    simulated = adapter.simulated(given.environment, given.endpoints.rest)
    sockets = {name: given.endpoints.websocket for name in simulated if not name.startswith("rest")}
    return {given.exchange: {given.environment: {**simulated, **sockets}}}
