"""Writes the events that the service records about one bot.

Events of many bots at once are written by the worker, in statements of its own.
"""

from uuid import UUID

from sqlalchemy import bindparam, insert

from app.db.base import new_id
from app.db.driver import Executor, Statement
from app.db.models import BotEvent
from app.domains.bot_events.event import RecordedEvent
from app.kit.json_codec import dumps

_COLUMNS = (
    "account_id",
    "bot_id",
    "id",
    "key_id",
    "exchange",
    "environment",
    "contract_type",
    "kind",
    "level",
    "message",
    "data",
)
_ADD = Statement(insert(BotEvent).values({name: bindparam(name) for name in _COLUMNS}))


class BotEventRepository:
    def __init__(self, *, executor: Executor, account_id: UUID, bot_id: UUID) -> None:
        self._executor = executor
        self._account_id = account_id
        self._bot_id = bot_id

    async def add(
        self,
        event: RecordedEvent,
        *,
        key_id: UUID,
        exchange: str,
        environment: str,
        contract_type: str,
    ) -> None:
        """Insert the event under the key that it concerns."""
        await self._executor.fetch(
            _ADD,
            account_id=self._account_id,
            bot_id=self._bot_id,
            id=new_id(),
            key_id=key_id,
            exchange=exchange,
            environment=environment,
            contract_type=contract_type,
            kind=event.kind,
            level=event.level,
            message=event.message,
            data=dumps(event.data).decode(),
        )
