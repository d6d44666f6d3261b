"""The keys that a bot has or had, and what their exchanges list or listed."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import SessionExecutor
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


class ContractRepository:
    """The SQL of keys that a bot has or had, and of their contracts. Names account and bot."""

    def __init__(self, *, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._session = session
        self._account_id = account_id
        self._bot_id = bot_id

    async def origin(self, key_id: UUID) -> Origin | None:
        """Return a key of the bot; `None` if it never had the key or nothing is known about it any
        more.
        """
        query = (
            select(
                KeyLabel.exchange,
                KeyLabel.environment,
                KeyLabel.contract_type,
                Key.id,
                Key.region,
            )
            .select_from(Assignment)
            .join(
                KeyLabel,
                (KeyLabel.account_id == Assignment.account_id)
                & (KeyLabel.key_id == Assignment.key_id),
            )
            .outerjoin(Key, (Key.account_id == KeyLabel.account_id) & (Key.id == KeyLabel.key_id))
            .where(
                Assignment.account_id == self._account_id,
                Assignment.bot_id == self._bot_id,
                Assignment.key_id == key_id,
            )
        )
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        region = None if row.id is None else row.region or ""
        contract_type = ContractType(row.contract_type)
        return Origin(key_id, row.exchange, row.environment, contract_type, region)

    async def look_up(self, origin: Origin, names: Collection[str]) -> Directory:
        """Return what the key's exchange lists or listed under these names."""
        return await look_up(SessionExecutor(self._session), origin.place, names)
