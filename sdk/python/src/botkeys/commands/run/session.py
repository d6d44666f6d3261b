"""One run with the clients that it needs, quiet but for its own sentences."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from botkeys.client import BotClient, BotClientError, HttpTransport
from botkeys.commands.run.acquiring import explain
from botkeys.commands.run.refusals import NoPlace
from botkeys.commands.run.supervisor import StandIn, Supervisor, Wanted, as_it_is
from botkeys.sealing.secret import Secret
from botkeys.transport.outbound import Outbound


async def supervise(
    address: str,
    token: Secret,
    wanted: Wanted,
    variables: Mapping[str, str],
    signals: frozenset[int],
    mask: AbstractSet[int],
    tell: Callable[[str], None],
    outbound: Outbound,
) -> int:
    """Return the program's exit status. Raises CommandError if none was started."""
    async with HttpTransport(outbound=outbound) as http:
        try:
            bot = BotClient(address, token, transport=http)
        except BotClientError as error:
            raise explain(error) from error
        async with bot:
            supervisor = Supervisor(
                bot, http, wanted, variables, mask, tell, _stand_in(bot, wanted, outbound)
            )
            return await supervisor.run(signals)


def _stand_in(bot: BotClient, wanted: Wanted, outbound: Outbound) -> StandIn:
    """Return what the program gets in place of the credentials. Raises NoPlace."""
    if not wanted.sign:
        return as_it_is
    try:
        from botkeys.commands.run.signing import signing_for  # noqa: PLC0415  # needs an extra
    except ModuleNotFoundError as error:
        raise NoPlace(f'--sign needs {error.name}: pip install "botkeys[sign]".') from None
    return signing_for(bot, wanted.max_order_value, outbound)
