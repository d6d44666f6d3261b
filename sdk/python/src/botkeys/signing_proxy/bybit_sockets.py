"""Bybit's WebSockets: the login is signed again, orders are judged like those over REST."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from botkeys.exchanges.bybit import RECEIVE_WINDOW_MS, sign
from botkeys.exchanges.parsing import milliseconds
from botkeys.signing_proxy.bybit_orders import (
    read_amended_batch,
    read_amendment,
    read_batch,
    read_order,
)
from botkeys.signing_proxy.gate import Gate, Session, session_of
from botkeys.signing_proxy.guard import Guard
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed

_LOGIN_MS = 10_000
_FREE = frozenset({"subscribe", "unsubscribe", "ping"})
_READERS = {
    "order.create": read_order,
    "order.create-batch": read_batch,
    "order.amend": read_amendment,
    "order.amend-batch": read_amended_batch,
    "order.cancel": None,
    "order.cancel-batch": None,
}


class BybitGuard(Guard):
    def __init__(
        self, clock: Callable[[], datetime], code_of: Callable[[Refusal], int], gate: Gate
    ) -> None:
        super().__init__(gate)
        self._clock = clock
        self._code_of = code_of
        self._session: Session | None = None

    async def rewritten(self, message: dict[str, Any]) -> dict[str, Any]:
        op, args = message.get("op"), message.get("args", [])
        if not isinstance(args, list):
            raise malformed("Arguments are a list.")
        if op in _FREE:
            return message
        if op == "auth":
            return {**message, "args": await self._login(args)}
        if op not in _READERS:
            text = "Only subscriptions, the login and orders pass."
            raise Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)
        if self._session is None:
            raise Refusal(RefusalCode.NOT_AUTHENTICATED, "Orders need a login first.")
        if len(args) != 1:
            raise malformed("An order call has one argument.")
        reader = _READERS[op]
        if reader is not None:
            await self.gate.admit_in_session(reader(args[0]), self._session)
        stamp = {
            "X-BAPI-TIMESTAMP": str(milliseconds(self._clock())),
            "X-BAPI-RECV-WINDOW": str(RECEIVE_WINDOW_MS),
        }
        return {**message, "header": stamp}

    async def _login(self, args: list[Any]) -> list[Any]:
        """Return the arguments of a login with the real key."""
        if len(args) != 3 or not isinstance(args[0], str):
            raise malformed("A login has a key, an expiry and a signature.")
        self.gate.check_key(args[0])
        credentials = await self.gate.credentials()
        expires = milliseconds(self._clock()) + _LOGIN_MS
        signature = sign(credentials.api_secret, f"GET/realtime{expires}".encode("ascii"))
        self._session = session_of(credentials)
        return [credentials.api_key.reveal(), expires, signature]

    def error(self, message: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
        op, refused = message.get("op"), {"botkeysRefused": refusal.code}
        if op in _READERS:
            code = self._code_of(refusal)
            answer = {"reqId": message.get("reqId"), "retCode": code, "retMsg": refusal.text}
            return {**answer, "op": op, "data": {}, **refused}
        answer = {"success": False, "ret_msg": refusal.text, "req_id": message.get("req_id")}
        return {**answer, "op": op if isinstance(op, str) else None, **refused}
