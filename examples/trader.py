"""Links rule, exchange and service: asks before it opens, reports what it did, always exits."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import httpx

from botkeys.client import (
    BotClient,
    BotClientError,
    BotConfig,
    ConfigAsset,
    Forgotten,
    MayNotOpen,
    NoKey,
    NotAuthenticated,
    Position,
    ReleasedCredentials,
)
from examples.mean_reversion import MeanReversion
from examples.okx_order import place_order
from examples.paper import Books, Quote
from examples.prices import Prices

_FLUSH_SECONDS = 5.0


class Trader:
    """A trader of one position at a time on one symbol, at the smallest quantity.

    Orders are sent to OKX. On other exchanges they are filled on paper, at the last price: signing
    orders for all ten is beyond an example.
    """

    def __init__(
        self,
        client: BotClient,
        prices: Prices,
        rule: MeanReversion,
        books: Books,
        *,
        symbol: str | None,
        tick: float,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._prices = prices
        self._rule = rule
        self._books = books
        self._symbol = symbol
        self._tick = tick
        self._say = say
        self._position: Position | None = None
        self._opened_at = 0.0
        self._last: Quote | None = None
        self._refused: BotConfig | None = None

    async def trade(self, stop: asyncio.Event) -> None:
        """Trade until `stop` is set, then close what is open and deliver all reports."""
        while not stop.is_set():
            await self._look()
            try:
                await asyncio.wait_for(stop.wait(), self._tick)
            except TimeoutError:
                continue
        if self._position is not None:
            await self._leave(self._position, "the bot stops")
        self._books.event("stopped", "The bot was stopped.")
        await self._client.flush(_FLUSH_SECONDS)

    async def _look(self) -> None:
        config = self._client.newest_config
        if config is None:
            return
        if config.key is None and self._position is not None:
            self._say("the key was taken away: what is open is for a person to close")
            self._position = None
        asset = self._asset(config)
        price = None if asset is None else await self._prices.of(config, asset)
        if asset is None or price is None:
            return
        kind = None if config.key is None else config.key.contract_type
        self._last = Quote(price, asset, kind)
        side = self._rule.entry(price)
        position = self._position
        if position is not None and position.entry_price is not None:
            held = asyncio.get_running_loop().time() - self._opened_at
            why = self._rule.exit(position.side, position.entry_price, price, held)
            if why is not None:
                await self._leave(position, why)
        elif side is not None and not self._is_refused_still(config):
            acted = await self._enter(config, asset, side, price)
            self._books.signal(asset.symbol, side, acted=acted)
        now = asyncio.get_running_loop().time()
        self._books.look(now, self._position, self._last)

    async def _enter(
        self, config: BotConfig, asset: ConfigAsset, side: str, price: Decimal
    ) -> bool:
        quantity = asset.min_quantity or asset.lot_size or Decimal(1)
        try:
            opening = await self._client.open_position(asset.symbol, side, quantity)
        except MayNotOpen as refused:
            self._refused = config
            self._say(f"may not open {asset.symbol}: {', '.join(refused.reasons)}")
            return False
        except NotAuthenticated:
            raise
        except BotClientError as error:
            self._say(f"no permission to be had: {error.code}")
            return False
        if not await self._order(opening, "buy" if side == "long" else "sell", reduce_only=False):
            self._client.close_position(opening, exit_price=None)
            return False
        self._position = self._client.opened(opening, entry_price=price)
        self._opened_at = asyncio.get_running_loop().time()
        self._say(f"opened {side} {quantity} {asset.symbol} at {price}")
        return True

    async def _leave(self, position: Position, why: str) -> None:
        side = "sell" if position.side == "long" else "buy"
        if not await self._order(position, side, reduce_only=True):
            return  # tried again with the next price
        price = None if self._last is None else self._last.price
        closed = self._client.close_position(position, exit_price=price)
        if self._last is not None:
            self._books.closed(closed, self._last, why)
        self._position = None
        self._say(f"closed {position.side} {position.symbol} at {price}: {why}")

    async def _order(self, position: Position, side: str, *, reduce_only: bool) -> bool:
        try:
            credentials: ReleasedCredentials = await self._client.credentials()
            if credentials.exchange != "okx":
                return True
            code = await place_order(
                credentials,
                position.symbol,
                format(position.quantity, "f"),
                rest=self._address(),
                side=side,
                margin_mode=position.margin_mode or "cross",
                reduce_only=reduce_only,
            )
        except (NoKey, Forgotten):
            self._say("the key is gone")
            return False
        except (httpx.HTTPError, ValueError):
            # The outcome of the order is unknown. A real bot would ask the exchange for it by its
            # own order id.
            self._say("the exchange gave no answer")
            return False
        if code != "0":
            self._say(f"the exchange refuses the order: {code}")
            self._books.event("order_refused", f"The exchange answered {code}.", level="warning")
        return code == "0"

    def _address(self) -> str | None:
        """Return the exchange's current address, which may have changed since the release."""
        config = self._client.newest_config
        return None if config is None or config.endpoints is None else config.endpoints.rest

    def _is_refused_still(self, config: BotConfig) -> bool:
        """Return whether only prices have changed since the last refusal."""
        return self._refused is not None and _rules(config) == _rules(self._refused)

    def _asset(self, config: BotConfig) -> ConfigAsset | None:
        """Return the asset to trade; an open position takes precedence."""
        wanted = self._symbol if self._position is None else self._position.symbol
        for asset in config.assets:
            if asset.symbol == wanted or (wanted is None and asset.enabled):
                return asset
        return None


def _rules(config: BotConfig) -> BotConfig:
    assets = tuple(asset.model_copy(update={"price": None}) for asset in config.assets)
    return config.model_copy(update={"version": "", "assets": assets})
