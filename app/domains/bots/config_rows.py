"""Everything that a bot's configuration is made of, read in one statement for one bot or for many.

Hot path: heartbeats, configurations and streams read nothing else. Most of them only want to know
whether what was read before still holds: a glance says so, without the rows.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text

from app.db.driver import BatchExecutor, Executor, Rows, Statement
from app.db.nodes import count_shards
from app.domains.bots.opening_columns import CATALOGUE, CATALOGUE_KNOWN, frozen
from app.domains.catalogue.joins import LEVERAGE, MARGIN_MODE, MAX_LEVERAGE, OF_ASSETS

BotRef: TypeAlias = tuple[UUID, UUID]
"""The account and the bot."""


class ConfigRow(NamedTuple):
    """A bot with its key and one asset of the key's contract type; one row for each asset.

    Without a key, or without assets, there is a single row whose `key_id` or `symbol` is `None`.
    `digest` is the server's hash of all other columns; `None` in rows read under locks.
    """

    account_id: UUID
    bot_id: UUID
    token_hash: bytes
    account_closing: bool
    frozen: bool
    paused: bool
    key_id: UUID | None
    label: str
    exchange: str
    environment: str
    region: str | None
    contract_type: str
    version: int
    active: bool
    permission_trade: str
    permission_withdraw: str
    unverified: bool
    verification_status: str
    catalogue_known: bool
    symbol: str | None
    leverage: Decimal | None
    margin_mode: str
    enabled: bool
    listed: bool
    max_leverage: Decimal | None
    settle: str | None
    price: Decimal | None
    tick_size: Decimal | None
    lot_size: Decimal | None
    min_quantity: Decimal | None
    contract_size: Decimal | None
    contract_changed_at: datetime | None
    digest: int | None

    @property
    def delisted(self) -> bool:
        return self.catalogue_known and not self.listed


class ConfigGlance(NamedTuple):
    """A bot's token, and what its rows come to: rows of an equal `fingerprint` are equal."""

    account_id: UUID
    bot_id: UUID
    token_hash: bytes
    fingerprint: int


def fingerprint(rows: Iterable[ConfigRow]) -> int:
    """Return the fingerprint of all rows of a bot, as a glance has it: 64 bits, the digests joined
    by exclusive or. The symbols in the rows differ, and so do the digests.
    """
    found = 0
    for row in rows:
        if row.digest is None:
            raise ValueError("rows that were read under locks have no fingerprint")
        found ^= row.digest
    return found


def _members(account: str) -> str:
    """Return the columns. `account` is what names the account, so that with a parameter each table
    of the statement is read for one account.
    """
    return f"""
           bots.account_id, bots.id, tokens.token_hash, accounts.closing_at IS NOT NULL,
           {frozen(account)},
           bots.paused,
           keys.id, keys.label, keys.exchange, keys.environment, keys.region, keys.contract_type,
           keys.version, keys.active, keys.permission_trade,
           keys.permission_withdraw, keys.unverified, keys.verification_status,
           {CATALOGUE_KNOWN},
           assets.symbol, {LEVERAGE}, {MARGIN_MODE}, assets.enabled,
           coalesce(listing.listed, false),
           {MAX_LEVERAGE},
           listing.settle, priced.price, listing.tick_size, listing.lot_size,
           listing.min_quantity, listing.contract_size,
           listing.contract_changed_at
    """  # built from constants only


def _digest(members: str) -> str:
    # The hash of a record is a sum: what changes in all rows of a bot would change all of them by
    # the same, and could cancel out. So it is hashed once more.
    return f"hashtextextended(CAST(hash_record_extended(ROW({members}), 0) AS text), 0)"


_OF_ONE = _members(":account")
_OF_EACH = _members("bots.account_id")
_TABLES = f"""
    JOIN accounts ON accounts.account_id = bots.account_id
    JOIN bot_tokens AS tokens ON tokens.account_id = bots.account_id AND tokens.bot_id = bots.id
    LEFT JOIN keys ON keys.account_id = bots.account_id AND keys.id = bots.key_id
    {CATALOGUE}
    LEFT JOIN trading_assets AS assets
        ON assets.account_id = keys.account_id AND assets.key_id = keys.id
        AND assets.contract_type = keys.contract_type
    {OF_ASSETS}
"""
_OF_BOT = f" FROM bots {_TABLES} WHERE bots.account_id = :account AND bots.id = :bot"
_OF_BOTS = (
    " FROM unnest(:accounts, :bots) AS wanted (account_id, bot_id)"
    " JOIN bots ON bots.account_id = wanted.account_id AND bots.id = wanted.bot_id"
    f" {_TABLES}"
)
_IN_ORDER = " ORDER BY bots.account_id, bots.id, assets.symbol"
_GLANCED = " GROUP BY bots.account_id, bots.id, tokens.token_hash"
_BOT = (bindparam("account", type_=Uuid()), bindparam("bot", type_=Uuid()))
_BOTS = (bindparam("accounts", type_=ARRAY(Uuid())), bindparam("bots", type_=ARRAY(Uuid())))


def _glance(members: str) -> str:
    return f"SELECT bots.account_id, bots.id, tokens.token_hash, bit_xor({_digest(members)})"


ONE = Statement(
    text(f"SELECT {_OF_ONE}, {_digest(_OF_ONE)} {_OF_BOT} {_IN_ORDER}").bindparams(*_BOT)
)
UNDER_LOCKS = Statement(
    text(
        f"SELECT {_OF_ONE}, CAST(NULL AS bigint), statement_timestamp() {_OF_BOT} {_IN_ORDER}"
    ).bindparams(*_BOT)
)
_OF_MANY = text(f"SELECT {_OF_EACH}, {_digest(_OF_EACH)} {_OF_BOTS} {_IN_ORDER}").bindparams(*_BOTS)
MANY = Statement(_OF_MANY)
GLANCE_AT_ONE = Statement(text(f"{_glance(_OF_ONE)} {_OF_BOT} {_GLANCED}").bindparams(*_BOT))
GLANCE_AT_MANY = Statement(text(f"{_glance(_OF_EACH)} {_OF_BOTS} {_GLANCED}").bindparams(*_BOTS))


async def read_one(executor: Executor, account_id: UUID, bot_id: UUID) -> list[ConfigRow]:
    """Return the rows of one bot, by symbol; none if the bot or its token is gone."""
    rows = await executor.fetch(ONE, account=account_id, bot=bot_id)
    return [ConfigRow._make(row) for row in rows]


async def read_under_locks(
    executor: Executor, account_id: UUID, bot_id: UUID
) -> tuple[list[ConfigRow], datetime | None]:
    """Return the same rows within a transaction that holds the locks, and the time of the read.

    The locks keep the rows current until the transaction ends. The time is `None` if there are no
    rows.
    """
    rows = [tuple(row) for row in await executor.fetch(UNDER_LOCKS, account=account_id, bot=bot_id)]
    return [ConfigRow._make(row[:-1]) for row in rows], rows[0][-1] if rows else None


class ConfigReader:
    """Reads the rows of many bots in one round trip, or glances at them.

    One server is asked in one statement for all of them. In a Citus cluster that goes to every
    shard, whatever accounts the bots belong to. So a few are asked for in a statement for each,
    which goes to the node with its account.
    """

    def __init__(self, executor: BatchExecutor) -> None:
        self._executor = executor
        self._shards: int | None = None

    async def read(self, bots: Iterable[BotRef]) -> dict[BotRef, Sequence[ConfigRow]]:
        """Return the rows of each bot, by symbol; bots that are gone are left out."""
        found: dict[BotRef, list[ConfigRow]] = {}
        for row in await self._fetch(list(bots), ONE, MANY):
            made = ConfigRow._make(row)
            found.setdefault((made.account_id, made.bot_id), []).append(made)
        return dict(found)

    async def glance(self, bots: Iterable[BotRef]) -> dict[BotRef, ConfigGlance]:
        """Return a glance at each bot; bots that are gone are left out."""
        rows = await self._fetch(list(bots), GLANCE_AT_ONE, GLANCE_AT_MANY)
        made = map(ConfigGlance._make, rows)
        return {(one.account_id, one.bot_id): one for one in made}

    async def _fetch(self, bots: list[BotRef], of_one: Statement, of_many: Statement) -> Rows:
        if self._shards is None:
            # Tables are distributed while no process runs, so that once is enough.
            self._shards = await count_shards(self._executor)
        if len(bots) > self._shards:
            return await self._executor.fetch(
                of_many, accounts=[account for account, _ in bots], bots=[bot for _, bot in bots]
            )
        if len(bots) == 1:
            ((account, bot),) = bots
            return await self._executor.fetch(of_one, account=account, bot=bot)
        return await self._executor.fetch_many(
            of_one, [{"account": account, "bot": bot} for account, bot in bots]
        )
