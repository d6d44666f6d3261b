"""The service's answers as types. Unknown fields are ignored, so that old bots keep working."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypedDict, TypeVar
from uuid import UUID, uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from botkeys import base64url
from botkeys.client.errors import (
    MalformedAnswer,
    MayNotOpen,
    Refused,
    SizeUnknown,
    refused_class,
)
from botkeys.client.sizing import Contract
from botkeys.exchanges.model import ContractType, Endpoints, Environment
from botkeys.transport.client import HttpAnswer, retry_after

_CONFLICT = 409
_LONGEST_DETAIL = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _from_base64url(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("base64url text is expected")  # noqa: TRY004  # what Pydantic collects
    decoded = base64url.decode(value.rstrip("="))
    if decoded is None:
        raise ValueError("not base64url")
    return decoded


Base64Url = Annotated[bytes, BeforeValidator(_from_base64url)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class SealedApiKey(_Answer):
    """The API key of a key pair, which is sealed apart from the pair's private half."""

    sealed_data_key: Base64Url
    nonce: Base64Url
    ciphertext: Base64Url


class ReleaseAnswer(_Answer):
    """The answer of POST /v1/runtime/credentials. Every secret in it is sealed."""

    release_id: str = ""
    account_id: UUID
    bot_id: UUID
    key_id: UUID
    version: int = Field(ge=1)
    exchange: str
    environment: Environment
    suite: str
    sealed_data_key: Base64Url
    nonce: Base64Url
    ciphertext: Base64Url
    sealed_api_key: SealedApiKey | None = None
    endpoints: Endpoints = Endpoints(rest=None, websocket=None)


class ConfigKey(_Answer):
    id: UUID
    label: str = ""
    exchange: str
    environment: str
    contract_type: str | None = None
    version: int


class ConfigAsset(_Answer):
    """One instrument of the key. Amounts and prices in the exchange's units; `None`: unknown."""

    symbol: str
    leverage: Decimal | None = None
    margin_mode: str | None = None
    enabled: bool = True
    max_leverage: Decimal | None = None
    settle: str | None = None
    price: Decimal | None = None
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    min_quantity: Decimal | None = None
    contract_size: Decimal | None = None
    contract_changed_at: datetime | None = None
    may_open_positions: bool = False
    blocked_by: tuple[str, ...] = ()


class BotConfig(_Answer):
    """The answer of GET /v1/runtime/config. Enums stay text, so that a new value breaks nothing."""

    version: int | str
    may_open_positions: bool
    blocked_by: tuple[str, ...] = ()
    key: ConfigKey | None
    endpoints: Endpoints | None = None
    assets: tuple[ConfigAsset, ...] = ()

    def contract(self, symbol: str) -> Contract:
        """Return the contract of one of `assets`, for what its quantities are worth.

        Raises SizeUnknown if the service does not know all that it takes.
        """
        asset = self._asset(symbol)
        kind = "" if self.key is None else self.key.contract_type
        if kind not in set(ContractType):
            raise SizeUnknown(symbol, "contract_type_unknown")
        if asset.contract_size is None:
            raise SizeUnknown(symbol, "contract_size_unknown")
        return Contract(
            symbol=asset.symbol,
            contract_type=ContractType(kind),
            contract_size=asset.contract_size,
            settle=asset.settle,
            lot_size=asset.lot_size,
        )

    def _asset(self, symbol: str) -> ConfigAsset:
        if self.key is None:
            raise SizeUnknown(symbol, "no_key")
        for asset in self.assets:
            if asset.symbol.upper() == symbol.upper():
                return asset
        raise SizeUnknown(symbol, "symbol_not_enabled")

    def contract_of(self, position: "Position") -> Contract:
        """Return the contract of a position. Raises SizeUnknown, also if it changed meanwhile."""
        contract = self.contract(position.symbol)
        if self.key is not None and position.key is not None and position.key.id != self.key.id:
            raise SizeUnknown(position.symbol, "other_key")
        changed = self._asset(position.symbol).contract_changed_at
        opened = position.opened_at
        if changed is not None and opened is not None and opened < changed:
            raise SizeUnknown(position.symbol, "contract_changed")
        return contract


class Heartbeat(_Answer):
    """The answer to a heartbeat. If `config_version` is not the known one, read the config.

    `next_in` is in how many seconds the service wants the next one; an older service does not say.
    """

    config_version: int | str
    may_open_positions: bool
    next_in: float = 0.0


class PositionKey(_Answer):
    id: UUID
    label: str = ""


class Position(_Answer):
    """A position, as the bot reports it and as the service stores it.

    `id` is the bot's own. `side` is long or short, `status` opening, open or closed;
    `quantity` and prices are in the exchange's units, `fees` in the settle asset (positive: paid).
    `revision`, `close_reason`, `expires_at` and `key` come from the service.
    """

    id: str = Field(default_factory=lambda: str(uuid4()))
    symbol: str
    side: str
    status: str = "open"
    quantity: Decimal
    entry_price: Decimal | None = None
    exit_price: Decimal | None = None
    leverage: Decimal | None = None
    margin_mode: str | None = None
    fees: Decimal | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    key: PositionKey | None = None
    revision: int | None = None
    close_reason: str | None = None
    expires_at: datetime | None = None

    def notional(self, config: BotConfig, price: Decimal | None = None) -> Decimal:
        """Return what the position is worth in the quote asset, by default at its entry price.

        Raises SizeUnknown where the service does not know its contract.
        """
        entry = self.entry_price if price is None else price
        return config.contract_of(self).notional(self.quantity, entry)

    def base_amount(self, config: BotConfig, price: Decimal | None = None) -> Decimal:
        """Return how much of the base asset the position is, by default at its entry price.

        Raises SizeUnknown where the service does not know its contract.
        """
        entry = self.entry_price if price is None else price
        return config.contract_of(self).base_amount(self.quantity, entry)


@dataclass(frozen=True, slots=True)
class Fee:
    """What was charged for a trade in one asset: positive if paid, negative if earned."""

    asset: str
    amount: Decimal


class HeldPositions(_Answer):
    """A page of GET /v1/runtime/positions."""

    items: tuple[Position, ...]
    next_cursor: str | None


class Verdict(_Answer):
    """The result for one item of a batch: `stored`, `completed`, `duplicate`, or `refused` with a
    `code`. `pnl_unknown` is why a trade has no P&L.
    """

    status: str
    code: str | None = None
    pnl_unknown: str | None = None


class Verdicts(_Answer):
    """The results for a batch, in the order of its items."""

    results: tuple[Verdict, ...]


_Model = TypeVar("_Model", bound=_Answer)


def parse_answer(model: type[_Model], body: bytes) -> _Model:
    """Return the answer as `model`. Raises MalformedAnswer, which quotes no value."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'body'} ({fault['type']})"
            for fault in error.errors(include_input=False, include_context=False, include_url=False)
        ]
    raise MalformedAnswer(f"The service's response is not understood: {', '.join(faults[:5])}.")


class _Members(TypedDict):
    status: int
    code: str
    detail: str
    request_id: str
    retry_after: float | None


def refusal(answer: HttpAnswer) -> Refused:
    """Return the typed error for an answer that is not a success, whatever its body holds."""
    try:
        problem: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    code = _text(problem.get("code")) or f"http_{answer.status}"
    members = _Members(
        status=answer.status,
        code=code,
        detail=_text(problem.get("detail")) or "The service gave no reason.",
        request_id=_text(problem.get("request_id")),
        retry_after=retry_after(answer.headers),
    )
    reasons = problem.get("blocked_by")
    if answer.status == _CONFLICT and isinstance(reasons, list) and reasons:
        return MayNotOpen(**members, reasons=tuple(_text(reason) for reason in reasons))
    return refused_class(answer.status, code)(**members)


def _text(value: object) -> str:
    """Return text that is safe to log: short and on one line, whatever the answer held."""
    return _CONTROL.sub(" ", value)[:_LONGEST_DETAIL] if isinstance(value, str) else ""
