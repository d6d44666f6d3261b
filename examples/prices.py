"""Prices for a bot, read with the adapters that the service uses too."""

from decimal import Decimal

from botkeys.client import (
    BotConfig,
    ConfigAsset,
    ContractType,
    Endpoints,
    Environment,
    ExchangeError,
    HttpTransport,
    find_adapter,
)


class Prices:
    def __init__(self, http: HttpTransport) -> None:
        self._http = http

    async def of(self, config: BotConfig, asset: ConfigAsset) -> Decimal | None:
        """Return the exchange's last price, or the service's if the exchange does not respond."""
        key, endpoints = config.key, config.endpoints or Endpoints(None, None)
        if key is None or key.contract_type is None:
            return None
        environment, kind = Environment(key.environment), ContractType(key.contract_type)
        try:
            adapter, region = find_adapter(self._http, key.exchange, environment, kind, endpoints)
            tickers = await adapter.tickers(environment, region, kind)
        except ExchangeError:
            return asset.price
        return next((each.price for each in tickers if each.symbol == asset.symbol), asset.price)
