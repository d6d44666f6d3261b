"""freqtrade: a further configuration file, since its variables turn keys of digits into numbers.

With several `-c`, the last file has precedence: https://www.freqtrade.io/en/stable/configuration/.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botkeys.commands.run.delivery import Delivery, PlannedFile
from botkeys.commands.run.given import Given
from botkeys.commands.run.presets.ccxt_settings import ccxt_options
from botkeys.commands.run.refusals import NoPlace
from botkeys.exchanges.model import ExchangeId
from botkeys.sealing.secret import Secret

_OVERRIDING = tuple(
    f"FREQTRADE__EXCHANGE__{name}"
    for name in ("NAME", "KEY", "APIKEY", "API_KEY", "SECRET", "PASSWORD")
)
"""Variables of freqtrade's own, to which it gives precedence over files."""


class FreqtradePreset:
    """`-c FILE` with the exchange's name, the credentials and what ccxt needs for the key."""

    name = "freqtrade"
    takes_address = True

    def deliver(self, given: Given, command: Sequence[str]) -> Delivery:
        if not any(each == "-c" or each.startswith(("-c", "--config")) for each in command[1:]):
            raise NoPlace(
                "Name freqtrade's own configuration with -c: with the further file that is added, "
                "it does not look for config.json."
            )
        content = Secret(json.dumps({"exchange": _exchange(given)}))
        file = PlannedFile(
            "freqtrade.json",
            content,
            placeholder="freqtrade.json",
            read_by_program=Path(command[0]).name == "freqtrade",
        )
        return Delivery(
            ways="a further configuration file (-c)",
            files=[file],
            arguments=("-c", "{freqtrade.json}"),
            withheld=_OVERRIDING,
        )


def _exchange(given: Given) -> dict[str, Any]:
    settings = ccxt_options(given)
    exchange: dict[str, Any] = {
        "name": given.ccxt_id,
        "key": settings.pop("apiKey"),
        "secret": settings.pop("secret"),
    }
    if "password" in settings:
        exchange["password"] = settings.pop("password")
    settings.pop("verbose", None)
    if given.exchange is ExchangeId.BINANCE:
        # freqtrade prefers the class for all markets, which would load the spot market too.
        exchange["name"] = "binance"
        settings["options"]["fetchMarkets"] = {"types": [given.contract_type]}
    exchange["ccxt_config"] = settings
    if not given.own_address:
        exchange["enable_ws"] = False  # there are none at an address that stands for the exchange
    return exchange
