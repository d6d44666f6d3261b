"""passivbot: `api-keys.json` in the current folder, where alone it looks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botkeys.commands.run.delivery import Delivery, PlannedFile
from botkeys.commands.run.given import Given
from botkeys.commands.run.presets.ccxt_settings import ccxt_options
from botkeys.commands.run.refusals import NoPlace
from botkeys.exchanges.model import ContractType, Environment, ExchangeId
from botkeys.sealing.secret import Secret

_FILE = "api-keys.json"
_OPTIONS = ("-u", "--user", "--live.user")
_USER = "botkeys"
_OWN_NAMES = {
    ExchangeId.BINANCE: "binance",
    ExchangeId.BYBIT: "bybit",
    ExchangeId.OKX: "okx",
    ExchangeId.KUCOIN: "kucoin",
}
"""Exchanges that passivbot knows by a name of its own; all others by ccxt's."""


class PassivbotPreset:
    """A link `api-keys.json` to a file with one user: the one of the command, or `botkeys`."""

    name = "passivbot"
    takes_address = True

    def deliver(self, given: Given, command: Sequence[str]) -> Delivery:
        if given.contract_type is not ContractType.LINEAR:
            raise NoPlace(
                "passivbot trades linear contracts only, and this key is for inverse ones."
            )
        user = _user(command)
        content = Secret(json.dumps({user or _USER: _entry(given)}))
        return Delivery(
            ways=f"the file {_FILE}",
            files=[PlannedFile(_FILE, content, link=Path.cwd() / _FILE)],
            arguments=() if user else ("-u", _USER),
        )


def _user(command: Sequence[str]) -> str | None:
    """Return the user that the command names."""
    for index, argument in enumerate(command):
        name, _, value = argument.partition("=")
        if name in _OPTIONS:
            return value or next(iter(command[index + 1 :]), None)
    return None


def _entry(given: Given) -> dict[str, Any]:
    settings = ccxt_options(given)
    entry: dict[str, Any] = {
        "exchange": _OWN_NAMES.get(given.exchange, given.ccxt_id),
        "key": settings.pop("apiKey"),
        "secret": settings.pop("secret"),
    }
    if "password" in settings:
        entry["passphrase"] = settings.pop("password")
    if given.environment is Environment.TESTNET or not given.own_address:
        # Whatever passivbot does not know itself, it passes to ccxt.
        settings.pop("verbose", None)
        entry |= settings
    return entry
