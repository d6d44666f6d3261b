"""What a key's exchange lists under a symbol, now or formerly."""

from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Assignment, CatalogueInstrument, Key, KeyLabel
from botkeys.exchanges.model import ContractType


class Contract(NamedTuple):
    """A contract: `size` is the amount that one unit of quantity stands for; P&L is in `settle`."""

    contract_type: ContractType
    size: Decimal
    settle: str


class Origin(NamedTuple):
    """A key that the bot has or had. `region` is `None`, for unknown, if the key is deleted."""

    key_id: UUID
    exchange: str
    environment: str
    contract_type: ContractType
    region: str | None


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

    async def contracts(self, origin: Origin, symbols: Collection[str]) -> dict[str, Contract]:
        """Return the contracts that the exchange lists or listed under these symbols.

        Contracts of the key's contract type take precedence; a symbol known only to the other type
        is of that type.
        """
        table = CatalogueInstrument
        of_region = [] if origin.region is None else [table.region == origin.region]
        query = (
            select(table.symbol, table.contract_type, table.contract_size, table.settle)
            .where(
                table.exchange == origin.exchange,
                table.environment == origin.environment,
                table.contract_type.in_(list(ContractType)),
                table.symbol.in_(symbols),
                *of_region,
            )
            .order_by(table.contract_type == origin.contract_type, table.region.desc())
        )
        return {
            symbol: Contract(ContractType(contract_type), size, settle)
            for symbol, contract_type, size, settle in await self._session.execute(query)
        }
