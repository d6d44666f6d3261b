"""hummingbot-api: the body of its request that adds credentials, for curl or a script.

`POST /accounts/add-credential/{account}/{connector}`; the service then keeps them by itself.
"""

import json
from collections.abc import Mapping, Sequence

from botkeys.commands.run.delivery import Delivery, PlannedFile
from botkeys.commands.run.given import Given
from botkeys.commands.run.refusals import NoPlace
from botkeys.exchanges.model import ContractType, Environment, ExchangeId
from botkeys.sealing.secret import Secret

_SECRET_NAMES: Mapping[ExchangeId, str] = {
    ExchangeId.BINANCE: "api_secret",
    ExchangeId.BYBIT: "secret_key",
    ExchangeId.KUCOIN: "secret_key",
    ExchangeId.OKX: "secret_key",
}


class HummingbotApiPreset:
    """A file in place of `{credentials}`, and the connector's name in place of `{connector}`."""

    name = "hummingbot-api"
    takes_address = False

    def deliver(self, given: Given, _: Sequence[str]) -> Delivery:
        connector = _connector(given)
        body = {
            f"{connector}_api_key": given.api_key.reveal(),
            f"{connector}_{_SECRET_NAMES[given.exchange]}": given.api_secret.reveal(),
        }
        if given.api_passphrase is not None:
            body[f"{connector}_passphrase"] = given.api_passphrase.reveal()
        file = PlannedFile(
            "credentials.json",
            Secret(json.dumps(body)),
            variable="CREDENTIALS_FILE",
            placeholder="credentials",
        )
        return Delivery(
            ways=f"a file at $CREDENTIALS_FILE, for the connector {connector}",
            files=[file],
            replaced={"connector": connector},
        )


def _connector(given: Given) -> str:
    if given.exchange not in _SECRET_NAMES or given.contract_type is not ContractType.LINEAR:
        raise NoPlace(f"hummingbot has no connector for {given.exchange} {given.contract_type}.")
    if given.environment is Environment.LIVE:
        return f"{given.exchange}_perpetual"
    if given.exchange is ExchangeId.BYBIT and given.region is None:
        return "bybit_perpetual_testnet"
    raise NoPlace(
        f"hummingbot has no connector for this test environment of {given.exchange}: the key would "
        "be used at the live exchange, which refuses it."
    )
