"""Configuration and credentials, checked, before anything starts."""

from botkeys.client import (
    BotClient,
    BotClientError,
    BotConfig,
    HttpTransport,
    InsecureAddress,
    MalformedAnswer,
    MalformedToken,
    RateLimited,
    ReleasedCredentials,
    ServiceUnavailable,
    Unreachable,
)
from botkeys.client import Refused as RefusedByService
from botkeys.client.models import ConfigKey
from botkeys.commands.endings import CommandError, UsageFault
from botkeys.commands.run.expectations import Expectations, check_key
from botkeys.commands.run.given import Given
from botkeys.commands.run.place import place_of
from botkeys.commands.run.refusals import Away, NotAsExpected, Refused
from botkeys.exchanges.model import ContractType, ExchangeId

_ATTEMPTS = 3


class Acquired:
    """What a program is started with. `given` is read from credentials that may be dropped."""

    def __init__(
        self,
        http: HttpTransport,
        config: BotConfig,
        key: ConfigKey,
        released: ReleasedCredentials,
    ) -> None:
        self.config = config
        self._http = http
        self._key = key
        self._released = released

    @property
    def outdated(self) -> bool:
        """Return whether the credentials were replaced or taken since."""
        return self._released.forgotten

    def given(self) -> Given:
        """Raises Forgotten if `outdated`, and Refused for a key that this version knows not."""
        released, key = self._released, self._key
        try:
            exchange, contract_type = (
                ExchangeId(released.exchange),
                ContractType(key.contract_type or ""),
            )
        except ValueError:
            raise Refused(
                f"This version of botkeys does not know {released.exchange} with "
                f"{key.contract_type} contracts: update it.",
                code="unknown_exchange",
            ) from None
        place = place_of(
            self._http, exchange, released.environment, contract_type, released.endpoints.rest
        )
        return Given(
            key_id=released.key_id,
            label=key.label,
            version=released.version,
            exchange=exchange,
            environment=released.environment,
            region=place.region,
            contract_type=contract_type,
            api_key=released.api_key,
            api_secret=released.api_secret,
            api_passphrase=released.api_passphrase,
            endpoints=released.endpoints,
            own_address=place.is_own,
        )


async def acquire(bot: BotClient, http: HttpTransport, expectations: Expectations) -> Acquired:
    """Read the configuration, check it, and fetch the credentials. Raises CommandError."""
    try:
        for _ in range(_ATTEMPTS):
            config = await bot.config()
            key = check_key(config, expectations)
            released = await bot.credentials()
            if released.key_id != key.id:
                continue  # the key was swapped in between
            if (released.exchange, released.environment) != (key.exchange, key.environment):
                raise NotAsExpected(
                    f"The configuration says {key.exchange} {key.environment}, but the credentials "
                    f"are for {released.exchange} {released.environment}. Nothing was started."
                )
            return Acquired(http, config, key, released)
    except BotClientError as error:
        raise explain(error) from error
    raise Away("The bot's key keeps changing: try again.", code="key_changing")


def explain(error: BotClientError) -> CommandError:
    """Return the error as one that ends this command."""
    if isinstance(error, MalformedToken | InsecureAddress):
        return UsageFault(str(error), code=error.code)
    if isinstance(error, Unreachable | ServiceUnavailable | RateLimited | MalformedAnswer):
        return Away(str(error), code=error.code)
    if isinstance(error, RefusedByService):
        return Refused(str(error), code=error.code)
    return NotAsExpected(str(error))
