"""The SQL of the list of bots."""

from uuid import UUID

from app.db.driver import Executor
from app.db.paged_list import Order, SortedPlace
from app.domains.bots.listing import BOTS, BotFilter
from app.domains.bots.rows import BotRow


class BotListRepository:
    """The list of one account's bots. `refuse_withdrawal`: as for
    `app.domains.bots.opening_rules`.
    """

    def __init__(self, *, executor: Executor, account_id: UUID, refuse_withdrawal: bool) -> None:
        self._executor = executor
        self._account_id = account_id
        self._list = BOTS[refuse_withdrawal]

    async def page(
        self, wanted: BotFilter, order: Order | None, after: SortedPlace | UUID | None, limit: int
    ) -> list[BotRow]:
        """Return up to `limit` rows that come after the place, in this order; newest first, after
        the id, without one.
        """
        statement, parameters = self._list.page(wanted, order, after)
        rows = await self._executor.fetch(
            statement, account=self._account_id, most=limit, **parameters
        )
        return [BotRow._make(row) for row in rows]
