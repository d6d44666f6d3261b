"""Creates the order service of a bot's request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.domains.orders.repository import OrderRepository
from app.domains.orders.service import OrderService


async def order_service(work: CurrentWork, caller: CurrentCaller) -> OrderService:
    bot = caller.bot
    return OrderService(
        orders=OrderRepository(session=work.session, account_id=bot.account_id, bot_id=bot.bot_id),
        bot=bot,
    )


Orders = Annotated[OrderService, Depends(order_service)]
