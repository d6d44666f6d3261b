"""OKX's WebSockets: the login is signed again, orders are judged like those over REST."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from botkeys.exchanges.model import ContractType
from botkeys.exchanges.okx import sign
from botkeys.signing_proxy.dialect import object_of
from botkeys.signing_proxy.gate import Gate, Session, session_of
from botkeys.signing_proxy.guard import Guard
from botkeys.signing_proxy.okx_orders import Reader, read_amended_batch, read_batch
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed

_FREE = frozenset({"subscribe", "unsubscribe"})
_READERS: Mapping[str, Reader | None] = {
    "order": read_batch,
    "batch-orders": read_batch,
    "amend-order": read_amended_batch,
    "batch-amend-orders": read_amended_batch,
    "cancel-order": None,
    "batch-cancel-orders": None,
}


class OkxGuard(Guard):
    words = frozenset({"ping"})

    def __init__(
        self,
        contract_type: ContractType,
        clock: Callable[[], datetime],
        code_of: Callable[[Refusal], str],
        gate: Gate,
    ) -> None:
        super().__init__(gate)
        self._contract_type = contract_type
        self._clock = clock
        self._code_of = code_of
        self._session: Session | None = None

    async def rewritten(self, message: dict[str, Any]) -> dict[str, Any]:
        op, args = message.get("op"), message.get("args")
        if not isinstance(args, list):
            raise malformed("Arguments are a list.")
        if op in _FREE:
            return message
        if op == "login":
            return {**message, "args": [await self._login(args)]}
        if not isinstance(op, str) or op not in _READERS:
            text = "Only subscriptions, the login and orders pass."
            raise Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)
        if self._session is None:
            raise Refusal(RefusalCode.NOT_AUTHENTICATED, "Orders need a login first.")
        reader = _READERS[op]
        if reader is not None:
            await self.gate.admit_in_session(reader(self._contract_type, args), self._session)
        return message

    async def _login(self, args: list[Any]) -> dict[str, str]:
        """Return the argument of a login with the real key."""
        given = object_of(args[0] if len(args) == 1 else None)
        claimed = given.get("apiKey")
        if not isinstance(claimed, str):
            raise malformed("A login has an apiKey.")
        self.gate.check_key(claimed)
        credentials = await self.gate.credentials()
        stamp = str(int(self._clock().timestamp()))
        message = f"{stamp}GET/users/self/verify".encode("ascii")
        passphrase = credentials.api_passphrase
        self._session = session_of(credentials)
        return {
            "apiKey": credentials.api_key.reveal(),
            "passphrase": passphrase.reveal() if passphrase else "",
            "timestamp": stamp,
            "sign": sign(credentials.api_secret, message),
        }

    def error(self, message: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
        op = message.get("op")
        answer: dict[str, Any] = {"code": self._code_of(refusal), "msg": refusal.text}
        if op in _READERS:
            answer = {"id": message.get("id"), "op": op, **answer, "data": []}
        else:
            answer = {"event": "error", **answer}
        return {**answer, "botkeysRefused": refusal.code}
