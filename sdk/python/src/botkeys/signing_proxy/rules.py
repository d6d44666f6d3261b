"""What a bot may do with its key, by the configuration that the service sent.

An order that can only reduce a position, and a cancellation, ask for nothing here. Everything that
opens a position, or raises what one can lose, asks.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from botkeys.client.models import BotConfig, ConfigAsset
from botkeys.exchanges.model import ContractType, Environment
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy.refusals import Refusal, RefusalCode

LONGEST_SILENCE = 45.0
"""Seconds for which a configuration holds that the service no longer confirms."""

PriceOf = Callable[[str], Awaitable[Decimal | None]]
"""Returns the current price of a symbol, or `None` if the exchange does not tell it."""


class RealCredentials(Protocol):
    """Released credentials, or those of an adapter."""

    @property
    def api_key(self) -> Secret: ...

    @property
    def api_secret(self) -> Secret: ...

    @property
    def api_passphrase(self) -> Secret | None: ...


class HeldCredentials(RealCredentials, Protocol):
    """The credentials of a bot's key, and what they are for."""

    @property
    def exchange(self) -> str: ...

    @property
    def environment(self) -> Environment: ...


class KeyHolder(Protocol):
    """What the proxy needs of a `BotClient`."""

    @property
    def newest_config(self) -> BotConfig | None: ...

    @property
    def config_age(self) -> float | None:
        """Seconds since the service last confirmed the newest configuration."""

    async def credentials(self) -> HeldCredentials: ...


@dataclass(frozen=True, slots=True)
class Opening:
    """An order that may open a position, or add to one.

    `price` is the highest price that the order names. `capped`: it cannot be filled above that.
    `contract_type` is that of the market to which the order goes. A `None` in `quantity` is one
    that cannot be known, as in an amendment of the price alone.
    """

    symbol: str
    contract_type: ContractType
    quantity: Decimal | None
    price: Decimal | None = None
    capped: bool = False


@dataclass(frozen=True, slots=True)
class LeverageChange:
    symbol: str
    contract_type: ContractType
    leverage: Decimal


Intent = Opening | LeverageChange


class Rules:
    def __init__(
        self, holder: KeyHolder, contract_type: ContractType, max_order_value: Decimal | None
    ) -> None:
        self._holder = holder
        self._contract_type = contract_type
        self._max_order_value = max_order_value

    async def admit(self, intents: Iterable[Intent], price_of: PriceOf) -> None:
        """Raise `Refusal` unless every one is permitted."""
        for intent in intents:
            config = self._config()
            asset = self._asset(config, intent)
            if isinstance(intent, LeverageChange):
                _check_leverage(asset, intent.leverage)
            else:
                _check_opening(config, asset)
                await self._check_value(asset, intent, price_of)

    def _config(self) -> BotConfig:
        """Return the configuration, if the service has confirmed it recently."""
        config, age = self._holder.newest_config, self._holder.config_age
        if config is None or age is None or age > LONGEST_SILENCE:
            text = "The service does not answer, so whether this is permitted is unknown."
            raise Refusal(RefusalCode.RULES_UNKNOWN, text)
        if config.key is None:
            raise Refusal(RefusalCode.NO_CREDENTIALS, "The bot has no key.")
        return config

    def _asset(self, config: BotConfig, intent: Intent) -> ConfigAsset:
        asset = next((each for each in config.assets if each.symbol == intent.symbol), None)
        ours = intent.contract_type is self._contract_type
        if asset is None or not asset.enabled or not ours:
            text = f"{intent.symbol} is not an enabled asset of the key."
            raise Refusal(RefusalCode.SYMBOL_NOT_ENABLED, text)
        return asset

    async def _check_value(self, asset: ConfigAsset, order: Opening, price_of: PriceOf) -> None:
        """Refuse an order above the limit: in the quote asset, or in USD for inverse contracts."""
        limit = self._max_order_value
        if limit is None:
            return
        size = asset.contract_size
        unknown = Refusal(RefusalCode.VALUE_UNKNOWN, "The value of the order cannot be known.")
        if order.quantity is None or size is None:
            raise unknown
        value = order.quantity * size
        if self._contract_type is ContractType.LINEAR:
            price = order.price
            if price is None or not order.capped:
                current = await price_of(order.symbol)
                if current is None:
                    raise unknown
                price = current if price is None else max(price, current)
            value *= price
        if value > limit:
            text = f"The order is worth {value:f}; at most {limit:f} is permitted."
            raise Refusal(RefusalCode.ORDER_TOO_LARGE, text)


def _check_opening(config: BotConfig, asset: ConfigAsset) -> None:
    if not (config.may_open_positions and asset.may_open_positions):
        reasons = ", ".join(dict.fromkeys((*config.blocked_by, *asset.blocked_by)))
        text = f"No position may be opened: {reasons or 'no reason is given'}."
        raise Refusal(RefusalCode.MAY_NOT_OPEN, text)


def _check_leverage(asset: ConfigAsset, leverage: Decimal) -> None:
    if asset.leverage is None or leverage > asset.leverage:
        most = "unknown" if asset.leverage is None else f"{asset.leverage:f}"
        text = f"The leverage of {asset.symbol} is limited to {most}."
        raise Refusal(RefusalCode.LEVERAGE_TOO_HIGH, text)
