"""cryptofeed: a configuration file, whose path it reads from `CRYPTOFEED_CONFIG`."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from botkeys.commands.run.delivery import Delivery, PlannedFile
from botkeys.commands.run.given import Given
from botkeys.commands.run.refusals import NoPlace
from botkeys.exchanges.model import ContractType, ExchangeId
from botkeys.sealing.secret import Secret

_VARIABLE = "CRYPTOFEED_CONFIG"
_DEFAULT = "log:\n  filename: feedhandler.log\n  level: WARNING\nuvloop: true\n"
"""What it uses without a file."""

_NAMES: Mapping[ExchangeId, str] = {
    ExchangeId.BITMEX: "bitmex",
    ExchangeId.BYBIT: "bybit",
    ExchangeId.DERIBIT: "deribit",
    ExchangeId.GEMINI: "gemini",
    ExchangeId.KRAKEN: "kraken_futures",
    ExchangeId.KUCOIN: "kucoin",
    ExchangeId.OKX: "okx",
    ExchangeId.PHEMEX: "phemex",
}


class CryptofeedPreset:
    """The user's own file, or cryptofeed's defaults, with the exchange's keys at the end."""

    name = "cryptofeed"
    takes_address = False

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self._variables = variables

    def deliver(self, given: Given, _: Sequence[str]) -> Delivery:
        keys = {"key_id": given.api_key.reveal(), "key_secret": given.api_secret.reveal()}
        if given.api_passphrase is not None:
            keys["key_passphrase"] = given.api_passphrase.reveal()
        # JSON on one line is YAML too, and of two equal names the last one counts.
        content = f"{self._own().rstrip()}\n{_name(given)}: {json.dumps(keys)}\n"
        file = PlannedFile("cryptofeed.yaml", Secret(content), variable=_VARIABLE)
        return Delivery(ways=f"a file at ${_VARIABLE}", files=[file])

    def _own(self) -> str:
        path = self._variables.get(_VARIABLE)
        if not path:
            return _DEFAULT
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise NoPlace(f"{path}, named by {_VARIABLE}, cannot be read.") from None


def _name(given: Given) -> str:
    if given.exchange is ExchangeId.BINANCE:
        linear = given.contract_type is ContractType.LINEAR
        return "binance_futures" if linear else "binance_delivery"
    if given.exchange not in _NAMES:
        raise NoPlace(f"cryptofeed has no {given.exchange}.")
    return _NAMES[given.exchange]
