"""Binance's WebSockets: streams, which take no credentials, and the WebSocket API, which signs."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from botkeys.exchanges.binance import RECEIVE_WINDOW_MS, sign
from botkeys.exchanges.model import ContractType
from botkeys.exchanges.parsing import milliseconds
from botkeys.exchanges.pem import is_pem
from botkeys.signing_proxy.binance_orders import STAMPS, read_amendment, read_order
from botkeys.signing_proxy.gate import Gate
from botkeys.signing_proxy.guard import Guard
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed
from botkeys.signing_proxy.rules import RealCredentials

_SUBSCRIBING = frozenset(
    {"SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"}
)
_PUBLIC = frozenset({"ping", "time", "depth", "ticker.price", "ticker.book", "exchangeInfo"})
_KEYED = frozenset({f"userDataStream.{verb}" for verb in ("start", "ping", "stop")})
_READING = frozenset(
    {
        *("order.status", "account.position", "v2/account.position", "account.balance"),
        *("v2/account.balance", "account.status", "v2/account.status"),
    }
)
_CANCELLATIONS = frozenset({"order.cancel", "algoOrder.cancel"})
_ORDERS = frozenset({"order.place", "algoOrder.place"})
_LOGON = "session.logon"
_SIGNED = _READING | _CANCELLATIONS | _ORDERS | {"order.modify", _LOGON}


class StreamGuard(Guard):
    """Subscriptions alone: the account's stream is named by a listen key, which is no secret."""

    async def rewritten(self, message: dict[str, Any]) -> dict[str, Any]:
        if message.get("method") not in _SUBSCRIBING:
            text = "Only subscriptions pass on a stream."
            raise Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)
        return message

    def error(self, message: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
        return _error(message, refusal, 400, 2)


class ApiGuard(Guard):
    """Each call is judged like its form over REST, and signed on its own.

    A session that was logged on needs no further signatures, which Binance offers for Ed25519 keys
    alone. Here every call is signed, in a session too.
    """

    def __init__(
        self,
        contract_type: ContractType,
        clock: Callable[[], datetime],
        error_of: Callable[[Refusal], tuple[int, Any]],
        gate: Gate,
    ) -> None:
        super().__init__(gate)
        self._contract_type = contract_type
        self._clock = clock
        self._error_of = error_of
        self._logged_on = False

    async def rewritten(self, message: dict[str, Any]) -> dict[str, Any]:
        method, given = message.get("method"), message.get("params", {})
        if not isinstance(method, str) or not isinstance(given, dict):
            raise malformed("A call has a method, and parameters in an object.")
        kept = {name: value for name, value in given.items() if name not in STAMPS}
        if any(isinstance(value, dict | list) or value is None for value in kept.values()):
            raise malformed("A parameter is text, a number or a flag.")
        if method in _PUBLIC:
            return {**message, "params": kept}
        if method not in _SIGNED | _KEYED:
            text = f"{method} is not among the calls that this proxy signs."
            raise Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)
        self._check_key(given)
        if method in _ORDERS:
            await self.gate.admit(read_order(self._contract_type, kept))
        elif method == "order.modify":
            await self.gate.admit([read_amendment(self._contract_type, kept)])
        credentials = await self.gate.credentials()
        if method in _KEYED:
            return {**message, "params": {**kept, "apiKey": credentials.api_key.reveal()}}
        if method == _LOGON and not is_pem(credentials.api_secret.reveal()):
            text = "Sessions need an Ed25519 key at the exchange: sign each call instead."
            raise Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)
        self._logged_on = self._logged_on or method == _LOGON
        signed = sign_message(kept, milliseconds(self._clock()), credentials)
        return {**message, "params": signed}

    def _check_key(self, given: dict[str, Any]) -> None:
        """Refuse a call of another key, and one without any before the session was logged on."""
        claimed = given.get("apiKey")
        if claimed is None and self._logged_on:
            return
        if not isinstance(claimed, str):
            text = "This call needs the API key that the bot was given."
            raise Refusal(RefusalCode.NOT_AUTHENTICATED, text)
        self.gate.check_key(claimed)

    def error(self, message: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
        status, payload = self._error_of(refusal)
        return _error(message, refusal, status, payload["code"])


def _error(message: dict[str, Any], refusal: Refusal, status: int, code: int) -> dict[str, Any]:
    number = message.get("id")
    return {
        "id": number if isinstance(number, str | int) else None,
        "status": status,
        "error": {"code": code, "msg": refusal.text},
        "botkeys_refused": refusal.code,
    }


def sign_message(
    given: Mapping[str, Any], stamp: int, credentials: RealCredentials
) -> dict[str, Any]:
    """Return the parameters of a WebSocket call, signed: sorted by name, and not encoded."""
    parameters = {
        **given,
        "apiKey": credentials.api_key.reveal(),
        "recvWindow": RECEIVE_WINDOW_MS,
        "timestamp": stamp,
    }
    text = "&".join(f"{name}={_plain(parameters[name])}" for name in sorted(parameters))
    return {**parameters, "signature": unquote(sign(credentials.api_secret, text))}


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
