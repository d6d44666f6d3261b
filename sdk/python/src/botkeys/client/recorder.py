"""Records of a bot's work: trades, funding, equity, signals and events."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import uuid_utils

from botkeys.client.models import Fee, Position
from botkeys.client.record_queue import RecordQueue
from botkeys.client.records import Kind, make_item

ContractName = Literal["linear", "inverse", "quanto"]
Direction = Literal["long", "short", "flat"]
Level = Literal["info", "warning", "error"]


class Recorder:
    """The recording methods of a `BotClient`.

    Each method queues one record and returns its id; the service stores a record once, however
    often it arrives. `running`, `flush` and closing the client deliver the queue, through outages.
    A record belongs to the key that the bot has now, even if it arrives after that key was swapped.
    The methods raise NotRecordable, and TooManyReports once a long outage has filled the queue.
    """

    def __init__(
        self,
        records: RecordQueue,
        clock: Callable[[], datetime],
        current_key: Callable[[], UUID | None],
    ) -> None:
        self._records = records
        self._clock = clock
        self._read_current_key = current_key
        self._last_key: UUID | None = None

    def record_trade(
        self,
        position: Position,
        *,
        trade_id: str | None = None,
        fees: Sequence[Fee] | None = None,
        exit_reason: str | None = None,
        contract_type: ContractName | None = None,
        contract_size: Decimal | None = None,
        settle: str | None = None,
    ) -> str:
        """Record a round trip: a closed position with its prices and times, under its id.

        A position closed in parts is several trades: give each its own `trade_id`, and the part as
        its quantity. `fees` are by asset, in place of the position's: those in the settle asset
        lower the P&L, and others, such as BNB, are figures of their own.

        `contract_type`, `contract_size` and `settle` are for a symbol that the exchange never
        listed while the service knew it: without them such a trade is stored without P&L, which is
        logged, and recording it again with them completes it. For other symbols they must agree
        with what the exchange lists.
        """
        members = {
            "symbol": position.symbol,
            "side": position.side,
            "quantity": position.quantity,
            "entry_price": position.entry_price,
            "exit_price": position.exit_price,
            "fees": position.fees if fees is None else [asdict(fee) for fee in fees],
            "leverage": position.leverage,
            "margin_mode": position.margin_mode,
            "position_id": position.id,
            "contract_type": contract_type,
            "contract_size": contract_size,
            "settle": settle,
            "opened_at": position.opened_at,
            "closed_at": position.closed_at,
            "exit_reason": exit_reason,
        }
        key_id = None if position.key is None else position.key.id
        return self._record(Kind.TRADES, trade_id or position.id, members, key_id=key_id)

    def record_funding(
        self,
        symbol: str,
        amount: Decimal,
        settle: str,
        *,
        at: datetime | None = None,
        record_id: str | None = None,
    ) -> str:
        """Record a funding payment: positive if received, negative if paid.

        Give the exchange's own id of the payment as `record_id`, if it has one: what is recorded
        again after a restart is then stored once.
        """
        members = {
            "at": at or self._clock(),
            "symbol": symbol,
            "amount": amount,
            "settle": settle,
        }
        return self._record(Kind.FUNDING, record_id, members)

    def record_equity(
        self,
        equity: Decimal,
        settle: str,
        *,
        balance: Decimal | None = None,
        unrealised_pnl: Decimal | None = None,
        reset: bool = False,
        at: datetime | None = None,
        record_id: str | None = None,
    ) -> str:
        """Record what the exchange account is worth. `reset`: its test funds were claimed again."""
        members = {
            "at": at or self._clock(),
            "equity": equity,
            "balance": balance,
            "unrealised_pnl": unrealised_pnl,
            "settle": settle,
            "reset": reset,
        }
        return self._record(Kind.EQUITY_SNAPSHOTS, record_id, members)

    def record_signal(
        self,
        symbol: str,
        name: str,
        direction: Direction,
        *,
        score: Decimal | None = None,
        acted: bool | None = None,
        data: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        record_id: str | None = None,
    ) -> str:
        """Record what the strategy signalled, and whether the bot acted on it."""
        members = {
            "at": at or self._clock(),
            "symbol": symbol,
            "name": name,
            "direction": direction,
            "score": score,
            "acted": acted,
            "data": data,
        }
        return self._record(Kind.SIGNALS, record_id, members)

    def record_event(
        self,
        kind: str,
        message: str,
        *,
        level: Level = "info",
        data: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        record_id: str | None = None,
    ) -> str:
        """Record anything the bot's owner should read. It is stored as given: no secrets in it."""
        at = at or self._clock()
        members = {"at": at, "kind": kind, "level": level, "message": message, "data": data}
        return self._record(Kind.EVENTS, record_id, members)

    def _record(
        self,
        kind: Kind,
        record_id: str | None,
        members: Mapping[str, Any],
        *,
        key_id: UUID | None = None,
    ) -> str:
        # A bot whose key was taken away still reports what it did with that key.
        self._last_key = self._read_current_key() or self._last_key
        item = make_item(record_id or str(uuid_utils.uuid7()), key_id or self._last_key, members)
        self._records.put(kind, item)
        return item.id
