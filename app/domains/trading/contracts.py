"""The keys that a bot has or had, and what their exchanges list or listed."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select

from app.db.driver import Executor, Statement
from app.db.models import Assignment, Key, KeyLabel
from app.domains.trading.directory import Directory, look_up
from app.domains.trading.symbols import Place
from botkeys.exchanges.model import ContractType


class Origin(NamedTuple):
    """A key that the bot has or had. `region` is `None`, for unknown, if the key is deleted."""

    key_id: UUID
    exchange: str
    environment: str
    contract_type: ContractType
    region: str | None

    @property
    def place(self) -> Place:
        return Place(self.exchange, self.environment, self.region, self.contract_type)


_ORIGIN = Statement(
    select(KeyLabel.exchange, KeyLabel.environment, KeyLabel.contract_type, Key.id, Key.region)
    .select_from(Assignment)
    .join(
        KeyLabel,
        (KeyLabel.account_id == Assignment.account_id) & (KeyLabel.key_id == Assignment.key_id),
    )
    .outerjoin(Key, (Key.account_id == KeyLabel.account_id) & (Key.id == KeyLabel.key_id))
    .where(
        Assignment.account_id == bindparam("account"),
        Assignment.bot_id == bindparam("bot"),
        Assignment.key_id == bindparam("key"),
    )
)


class ContractRepository:
    """The SQL of keys that a bot has or had, and of their contracts. Names account and bot."""

    def __init__(self, *, executor: Executor, account_id: UUID, bot_id: UUID) -> None:
        self._executor = executor
        self._account_id = account_id
        self._bot_id = bot_id

    async def origin(self, key_id: UUID) -> Origin | None:
        """Return a key of the bot; `None` if it never had the key or nothing is known about it any
        more.
        """
        rows = await self._executor.fetch(
            _ORIGIN, account=self._account_id, bot=self._bot_id, key=key_id
        )
        if not rows:
            return None
        ((exchange, environment, contract_type, known, region),) = rows
        place = None if known is None else region or ""
        return Origin(key_id, exchange, environment, ContractType(contract_type), place)

    async def look_up(self, origin: Origin, names: Collection[str]) -> Directory:
        """Return what the key's exchange lists or listed under these names."""
        return await look_up(self._executor, origin.place, names)
