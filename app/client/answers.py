"""The service's answers as types. Unknown fields are passed over, so that an old bot lives on."""

import base64
import binascii
import json
import re
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.client.errors import MalformedAnswer, Refused, refused_class
from app.exchanges.model import Endpoints, Environment
from app.transport import HttpAnswer, retry_after

_LONGEST_DETAIL = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _from_base64url(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("base64url text is expected")  # noqa: TRY004  # what Pydantic collects
    text = value.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64url") from None


Base64Url = Annotated[bytes, BeforeValidator(_from_base64url)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ReleaseAnswer(_Answer):
    """POST /v1/runtime/credentials. Nothing in it is in clear."""

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
    endpoints: Endpoints = Endpoints(rest=None, websocket=None)


class ConfigKey(_Answer):
    id: UUID
    label: str = ""
    exchange: str
    environment: str
    contract_type: str | None = None
    version: int


class ConfigAsset(_Answer):
    """Amounts and prices are in the exchange's own units; `None`: the service does not know."""

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
    may_open_positions: bool = False
    blocked_by: tuple[str, ...] = ()


class BotConfig(_Answer):
    """GET /v1/runtime/config. Words of the service stay text: a new one breaks nothing."""

    version: int | str
    may_open_positions: bool
    blocked_by: tuple[str, ...] = ()
    key: ConfigKey | None
    endpoints: Endpoints | None = None
    assets: tuple[ConfigAsset, ...] = ()


_Model = TypeVar("_Model", bound=_Answer)


def parse_answer(model: type[_Model], body: bytes) -> _Model:
    """Raises MalformedAnswer, which names the places and quotes nothing."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'body'} ({fault['type']})"
            for fault in error.errors(include_input=False, include_context=False, include_url=False)
        ]
    raise MalformedAnswer(f"The service's answer is not understood: {', '.join(faults[:5])}.")


def refusal(answer: HttpAnswer) -> Refused:
    """The typed error of an answer that is not the one asked for, whatever its body holds."""
    try:
        problem: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    code = _text(problem.get("code")) or f"http_{answer.status}"
    return refused_class(answer.status, code)(
        status=answer.status,
        code=code,
        detail=_text(problem.get("detail")) or "The service gave no reason.",
        request_id=_text(problem.get("request_id")),
        retry_after=retry_after(answer.headers),
    )


def _text(value: object) -> str:
    """Short and of one line: a bot's log is no place for whatever a stranger answers."""
    return _CONTROL.sub(" ", value)[:_LONGEST_DETAIL] if isinstance(value, str) else ""
