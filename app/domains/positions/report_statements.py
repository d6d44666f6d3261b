"""The statements of a bot's position reports, compiled once.

Each lock is a separate statement, but for those of an opening, which one takes in the same order;
what they protect is read in a later one.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Integer,
    Text,
    Uuid,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from app.db.driver import Statement
from app.db.models import (
    Account,
    Assignment,
    Bot,
    CatalogueInstrument,
    DeletionMark,
    Key,
    KeyLabel,
    Position,
    PurgedPosition,
    TradingAsset,
)
from app.db.models.position import happened, held
from app.db.outcome import IDENTIFIED, IDENTIFIED_SQL
from app.domains.positions.rows import POSITIONS, named
from app.domains.trading.marks import of_key
from app.domains.trading.tombstones import digest_of, removal

WRITTEN = (
    "key_id",
    "exchange",
    "environment",
    "contract_type",
    "symbol",
    "side",
    "status",
    "quantity",
    "entry_price",
    "exit_price",
    "leverage",
    "margin_mode",
    "fees",
    "revision",
    "opened_at",
    "closed_at",
    "close_reason",
    "expires_at",
    "locks_key",
)
"""The columns of a position that its first report fills."""

_ACCOUNT = bindparam("account", type_=Uuid())
_BOT = bindparam("bot", type_=Uuid())
_POSITION = bindparam("position", type_=Text())
_SYMBOL = bindparam("symbol", type_=Text())
_THIS_BOT = (Bot.account_id == _ACCOUNT, Bot.id == _BOT)
_THIS_POSITION = (
    Position.account_id == _ACCOUNT,
    Position.bot_id == _BOT,
    Position.id == _POSITION,
)
_KEYS = any_(bindparam("keys", type_=ARRAY(Uuid())))

SHARE_ACCOUNT = Statement(
    select(IDENTIFIED).where(Account.account_id == _ACCOUNT).with_for_update(read=True)
)
SHARE_BOT = Statement(
    select(Bot.key_id, select(Position.key_id).where(*_THIS_POSITION).scalar_subquery())
    .where(*_THIS_BOT)
    .with_for_update(read=True, of=Bot)
)
PLACE = Statement(
    select(KeyLabel.exchange, KeyLabel.environment, Key.id, Key.region, KeyLabel.contract_type)
    .select_from(Bot)
    .outerjoin(
        Position,
        (Position.account_id == Bot.account_id)
        & (Position.bot_id == Bot.id)
        & (Position.id == _POSITION),
    )
    .join(
        KeyLabel,
        (KeyLabel.account_id == Bot.account_id)
        & (
            KeyLabel.key_id
            == func.coalesce(Position.key_id, bindparam("key", type_=Uuid()), Bot.key_id)
        ),
    )
    .outerjoin(Key, (Key.account_id == KeyLabel.account_id) & (Key.id == KeyLabel.key_id))
    .where(*_THIS_BOT)
)
SHARE_KEYS = Statement(
    select(Key.id)
    .where(Key.account_id == _ACCOUNT, Key.id == _KEYS)
    .order_by(Key.id)
    .with_for_update(read=True)
)
SHARE_ASSETS = Statement(
    select(TradingAsset.symbol)
    .where(
        TradingAsset.account_id == _ACCOUNT,
        TradingAsset.key_id == _KEYS,
        TradingAsset.symbol == _SYMBOL,
    )
    .order_by(TradingAsset.key_id, TradingAsset.contract_type)
    .with_for_update(read=True)
)
# Each step begins with what the one before has locked, so that none overtakes another. A row that
# was added while one waited is not seen, and so not locked: the caller compares what it reads.
LOCK_ALL = Statement(
    text(
        f"""
        WITH account AS MATERIALIZED (
            SELECT account_id FROM accounts WHERE account_id = :account FOR SHARE
        ), bot AS MATERIALIZED (
            SELECT key_id, (
                SELECT key_id FROM positions
                WHERE account_id = :account AND bot_id = :bot AND id = :position
            ) AS of_position
            FROM bots
            WHERE account_id = :account AND id = :bot AND EXISTS (SELECT FROM account)
            FOR SHARE OF bots
        ), key AS MATERIALIZED (
            SELECT id FROM keys
            WHERE account_id = :account AND id = ANY (ARRAY(
                SELECT unnest(ARRAY[key_id, of_position, :key]) FROM bot
            ))
            ORDER BY id FOR SHARE OF keys
        ), asset AS MATERIALIZED (
            SELECT key_id, contract_type FROM trading_assets
            WHERE account_id = :account AND symbol = :symbol
              AND key_id = ANY (ARRAY(SELECT id FROM key))
            ORDER BY key_id, contract_type FOR SHARE OF trading_assets
        ), position AS MATERIALIZED (
            SELECT id FROM positions
            WHERE account_id = :account AND bot_id = :bot AND id = :position
              AND (SELECT count(*) FROM asset) >= 0
            FOR UPDATE OF positions
        )
        SELECT bot.key_id, bot.of_position, EXISTS (SELECT FROM position),
            ARRAY(SELECT id FROM key),
            ARRAY(SELECT contract_type FROM asset WHERE asset.key_id = bot.key_id),
            {IDENTIFIED_SQL}
        FROM bot
        """  # noqa: S608  # built from constants only
    ).bindparams(_ACCOUNT, _BOT, _POSITION, _SYMBOL, bindparam("key", type_=Uuid()))
)
LOCK_POSITION = Statement(select(Position.id).where(*_THIS_POSITION).with_for_update())
GET = Statement(POSITIONS.where(*_THIS_POSITION))
# A bot may have closed a million positions: the inner query finds the others by their own index,
# and only they are put in order.
_HELD = (
    select(Position.__table__)
    .where(
        Position.account_id == _ACCOUNT,
        Position.bot_id == _BOT,
        text("status IN ('opening', 'open')"),
        held(),
    )
    .cte("held")
    .prefix_with("MATERIALIZED")
)
HELD = Statement(
    named(_HELD, _ACCOUNT)
    .where(_HELD.c.id > bindparam("after", type_=Text()))
    .order_by(_HELD.c.id)
    .limit(bindparam("limit", type_=Integer()))
)
_MARKS = of_key(_ACCOUNT, bindparam("key", type_=Uuid())).subquery("marks")
DELETED = Statement(
    select(
        select(PurgedPosition.purged_at)
        .where(
            PurgedPosition.account_id == _ACCOUNT,
            PurgedPosition.bot_id == _BOT,
            PurgedPosition.digest == digest_of(_ACCOUNT, _BOT, _POSITION),
        )
        .scalar_subquery(),
        *_MARKS.c,
    )
    .select_from(Account)
    .outerjoin(_MARKS, true())
    .where(
        Account.account_id == _ACCOUNT,
        exists().where(DeletionMark.account_id == Account.account_id),
    )
)
"""No row for an account without any mark."""
REMOVE = Statement(removal(_THIS_POSITION))
FORMER_KEY = Statement(
    select(
        KeyLabel.key_id,
        KeyLabel.exchange,
        KeyLabel.environment,
        KeyLabel.contract_type,
        TradingAsset.leverage,
        TradingAsset.margin_mode,
    )
    .select_from(Assignment)
    .join(
        KeyLabel,
        (KeyLabel.account_id == Assignment.account_id) & (KeyLabel.key_id == Assignment.key_id),
    )
    .outerjoin(
        TradingAsset,
        (TradingAsset.account_id == KeyLabel.account_id)
        & (TradingAsset.key_id == KeyLabel.key_id)
        & (TradingAsset.contract_type == KeyLabel.contract_type)
        & (TradingAsset.symbol == _SYMBOL),
    )
    .where(
        Assignment.account_id == _ACCOUNT,
        Assignment.bot_id == _BOT,
        Assignment.key_id == bindparam("key", type_=Uuid()),
    )
)
KEY_LOST_AT = Statement(
    select(Assignment.ended_at).where(
        Assignment.account_id == _ACCOUNT,
        Assignment.bot_id == _BOT,
        Assignment.key_id == bindparam("key", type_=Uuid()),
    )
)
_CATALOGUE = ("exchange", "environment", "region", "contract_type", "symbol")
MARGIN_MODES = Statement(
    select(CatalogueInstrument.margin_modes).where(
        *(getattr(CatalogueInstrument, name) == bindparam(name) for name in _CATALOGUE)
    )
)

_ADDED = (
    insert(Position)
    .values(
        account_id=_ACCOUNT,
        bot_id=_BOT,
        id=_POSITION,
        **{name: bindparam(name) for name in WRITTEN},
    )
    .on_conflict_do_nothing()
    .returning(Position.__table__)
    .cte("added")
)
ADD = Statement(named(_ADDED, _ACCOUNT).where(_ADDED.c.account_id == _ACCOUNT))


_OF_KEY = of_key(_ACCOUNT, Position.key_id, Position).lateral("of_key")
_DELETED_BEFORE = (
    select(func.max(_OF_KEY.c.cutoff))
    .where(
        Position.status == "closed",
        or_(_OF_KEY.c.environment.is_(None), _OF_KEY.c.environment == Position.environment),
        happened(Position.__table__) < _OF_KEY.c.cutoff,
    )
    .correlate(Position)
    .scalar_subquery()
)
"""The cut-off that covers the position in its new state."""


@lru_cache(maxsize=128)
def change(columns: tuple[str, ...]) -> Statement:
    """Return an update of exactly these columns, so that the table's checks back up the lock.

    Reports of one kind change the same columns; a process needs a few dozen statements in all.
    """
    written: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in columns}
    return Statement(
        update(Position).where(*_THIS_POSITION).values(written).returning(_DELETED_BEFORE)
    )
