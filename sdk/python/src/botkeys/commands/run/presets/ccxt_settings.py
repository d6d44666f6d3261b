"""What programs that are built on ccxt have to set for a key, beside the credentials."""

from typing import Any, cast

from botkeys import ccxt
from botkeys.client import BotClientError, BotConfig, ConfigKey, ReleasedCredentials
from botkeys.commands.run.given import Given
from botkeys.commands.run.refusals import NoPlace


def ccxt_options(given: Given) -> dict[str, Any]:
    """Return the dictionary for a constructor of ccxt, credentials included. Raises NoPlace."""
    key = ConfigKey(
        id=given.key_id,
        label=given.label,
        exchange=given.exchange,
        environment=given.environment,
        contract_type=given.contract_type,
        version=given.version,
    )
    config = BotConfig(version=0, may_open_positions=True, key=key, endpoints=given.endpoints)
    try:
        # It has the same members. Nobody drops it: it is used at once.
        return ccxt.options(cast("ReleasedCredentials", given), config)
    except BotClientError as error:
        raise NoPlace(str(error)) from None
