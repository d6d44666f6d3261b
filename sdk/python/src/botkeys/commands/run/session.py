"""One run with the clients that it needs, quiet but for its own sentences."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from botkeys.client import BotClient, BotClientError, HttpTransport
from botkeys.commands.run.acquiring import explain
from botkeys.commands.run.supervisor import Supervisor, Wanted
from botkeys.sealing.secret import Secret


async def supervise(
    address: str,
    token: Secret,
    wanted: Wanted,
    variables: Mapping[str, str],
    signals: frozenset[int],
    mask: AbstractSet[int],
    tell: Callable[[str], None],
) -> int:
    """Return the program's exit status. Raises CommandError if none was started."""
    async with HttpTransport() as http:
        try:
            bot = BotClient(address, token, transport=http)
        except BotClientError as error:
            raise explain(error) from error
        async with bot:
            supervisor = Supervisor(bot, http, wanted, variables, mask, tell)
            return await supervisor.run(signals)
