"""The SQL of a bot's resting orders. Every statement names the account and the bot."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Text, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import SessionExecutor, Statement
from app.db.models import Account, Bot, Key, RestingOrders, TradingAsset
from app.db.outcome import IDENTIFIED
from app.domains.bots.config_rows import ConfigRow, read_under_locks
from app.domains.trading.directory import look_up
from app.domains.trading.symbols import Place, is_foreign

_ACCOUNT = bindparam("account", type_=Uuid())
_BOT = bindparam("bot", type_=Uuid())
_KEY = bindparam("key", type_=Uuid())
_SYMBOLS = bindparam("symbols", type_=ARRAY(Text()))

_SHARE_ACCOUNT = Statement(
    select(IDENTIFIED).where(Account.account_id == _ACCOUNT).with_for_update(read=True)
)
_SHARE_BOT = Statement(
    select(Bot.key_id).where(Bot.account_id == _ACCOUNT, Bot.id == _BOT).with_for_update(read=True)
)
_SHARE_KEY = Statement(
    select(Key.id).where(Key.account_id == _ACCOUNT, Key.id == _KEY).with_for_update(read=True)
)
_SHARE_ASSETS = Statement(
    select(TradingAsset.symbol)
    .where(
        TradingAsset.account_id == _ACCOUNT,
        TradingAsset.key_id == _KEY,
        TradingAsset.symbol == any_(_SYMBOLS),
    )
    .order_by(TradingAsset.contract_type, TradingAsset.symbol)
    .with_for_update(read=True)
)
_VALUES = {
    "key_id": _KEY,
    "symbols": _SYMBOLS,
    "counts": bindparam("counts", type_=ARRAY(BigInteger())),
    "expires_at": bindparam("expires_at", type_=DateTime(timezone=True)),
}
_PUT = Statement(
    insert(RestingOrders)
    .values(account_id=_ACCOUNT, bot_id=_BOT, **_VALUES)
    .on_conflict_do_update(index_elements=["account_id", "bot_id"], set_=_VALUES)
)


_PLACE = Statement(
    select(Key.exchange, Key.environment, Key.region, Key.contract_type)
    .join(Bot, (Bot.account_id == Key.account_id) & (Bot.key_id == Key.id))
    .where(
        Bot.account_id == bindparam("account", type_=Uuid()),
        Bot.id == bindparam("bot", type_=Uuid()),
    )
)


class OrderRepository:
    """The resting orders of one bot. Locks are taken in the order account, bot, key, assets."""

    def __init__(self, *, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._executor = SessionExecutor(session)
        self._account_id = account_id
        self._bot_id = bot_id
        self._names = {"account": account_id, "bot": bot_id}

    async def own_symbols(self, names: Collection[str]) -> dict[str, str]:
        """Return the own symbols of names at the exchange of the bot's key. Raises
        `AmbiguousSymbol`.
        """
        found = {name: name for name in names}
        foreign = set(filter(is_foreign, names))
        if foreign:
            for exchange, environment, region, kind in await self._executor.fetch(
                _PLACE, **self._names
            ):
                place = Place(exchange, environment, region or "", kind)
                directory = await look_up(self._executor, place, foreign)
                found |= {name: directory.symbol(name) for name in foreign}
        return found

    async def share(self, symbols: Sequence[str]) -> None:
        """Lock the account, the bot, its key and that key's assets of the symbols."""
        await self._executor.fetch(_SHARE_ACCOUNT, account=self._account_id)
        for (key_id,) in await self._executor.fetch(_SHARE_BOT, **self._names):
            if key_id is not None:
                of_key = {"account": self._account_id, "key": key_id}
                await self._executor.fetch(_SHARE_KEY, **of_key)
                await self._executor.fetch(_SHARE_ASSETS, **of_key, symbols=list(symbols))

    async def config_rows(self) -> tuple[list[ConfigRow], datetime | None]:
        """Return the bot's rows, and the database's time after the locks."""
        return await read_under_locks(self._executor, self._account_id, self._bot_id)

    async def put(
        self,
        key_id: UUID,
        symbols: Sequence[str],
        counts: Sequence[int],
        expires_at: datetime,
    ) -> None:
        """Store the bot's orders in place of the former ones."""
        await self._executor.fetch(
            _PUT,
            **self._names,
            key=key_id,
            symbols=list(symbols),
            counts=list(counts),
            expires_at=expires_at,
        )
