"""OKX V5: one host for both environments (a header selects one) and both contract types.

docs/exchange-notes.md describes the wire format, codes and field names; HTTP statuses are as OKX
documents them.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson

from app.simulator.http_server import Request, Response
from app.simulator.ids import ENVIRONMENTS, LIVE, TESTNET
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Quote, text
from app.simulator.okx_listing import UNBORN, Swap, futures, listing
from app.simulator.venue import Call, Refusal, Route, Venue, digest, same

TOLERANCE_MS = 30_000
MOST_IN_A_BATCH = 20
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_SPOT_MODE = "1"
_HEADERS = (
    ("ok-access-key", "50103", "OK-ACCESS-KEY"),
    ("ok-access-passphrase", "50104", "OK-ACCESS-PASSPHRASE"),
    ("ok-access-sign", "50106", "OK-ACCESS-SIGN"),
    ("ok-access-timestamp", "50107", "OK-ACCESS-TIMESTAMP"),
)


class Okx(Venue):
    exchange = "okx"
    one_port = True
    enum_fields: ClassVar[frozenset[str]] = frozenset(
        {"state", "ctType", "instType", "ruleType", "acctLv", "posMode", "perm"}
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._order_ids = count(2_912_269_865_356_374_016)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        return KeyText(
            material.uuid("key"),
            material.hex("secret", 32).upper(),
            f"Sim-{material.alphanumeric('passphrase', 12)}",
        )

    @staticmethod
    def environment_of(request: Request) -> str:
        return TESTNET if request.headers.get("x-simulated-trading") == "1" else LIVE

    def routes(self) -> Sequence[Route]:
        read, trade = Permission.READ, Permission.TRADE
        return [
            Route("GET", "/api/v5/public/time", lambda call: [{"ts": str(call.now_ms)}]),
            Route("GET", "/api/v5/public/instruments", self._instruments),
            Route("GET", "/api/v5/market/tickers", self._tickers),
            Route("GET", "/api/v5/public/mark-price", self._mark_prices),
            Route("GET", "/api/v5/account/config", self._config, read),
            Route("GET", "/api/v5/account/balance", self._balance, read),
            Route("POST", "/api/v5/trade/order", self._order, trade),
            Route("POST", "/api/v5/trade/batch-orders", self._batch, trade),
        ]

    def envelope(self, payload: Any, call: Call) -> Any:
        del call
        return {"code": "0", "msg": "", "data": payload}

    # Refusals

    def _error(self, status: int, code: str, message: str) -> Response:
        return self.json(status, {"msg": message, "code": code, "data": []})

    def _refusal(self, status: int, code: str, message: str) -> Refusal:
        return Refusal(self._error(status, code, message))

    def refused(self, status: int, code: str, message: str) -> Response:
        return self._error(status, code, message)

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        del key, request
        message = "This API key doesn't have permission to use this function"
        return self._refusal(401, "50120", message)

    def rate_limited(self, retry_after: int | None) -> Response:
        """Respond as OKX does, without a time to wait; `retry-after` is set only on request."""
        response = self._error(429, "50011", "Too Many Requests")
        extra = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Response(response.status, response.body, {**response.headers, **extra})

    def server_error(self, status: int) -> Response:
        if status == 503:  # their status for maintenance
            return self._error(503, "50001", "Service temporarily unavailable. Try again later")
        return self._error(status, "50026", "System error. Try again later")

    def not_found(self, request: Request) -> Response:
        del request
        return self._error(404, "404", "Not Found")

    def wrong_method(self, request: Request) -> Response:
        del request
        return self._error(405, "50115", "Invalid request method.")

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        headers = request.headers
        for header, code, name in _HEADERS:
            if not headers.get(header):
                raise self._refusal(401, code, f'Request header "{name}" cannot be empty.')
        self._check_time(headers["ok-access-timestamp"], now_ms)
        key = self._known(headers["ok-access-key"])
        if not same(key.text.api_passphrase or "", headers["ok-access-passphrase"]):
            raise self._refusal(401, "50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.')
        body = request.body.decode("latin-1")
        message = headers["ok-access-timestamp"] + request.method + request.target + body
        expected = base64.b64encode(digest(key.text.api_secret, message)).decode()
        if not same(expected, headers["ok-access-sign"]):
            raise self._refusal(401, "50113", "Invalid Sign")
        if not key.comes_from(request.peer):
            message = f"Your IP {request.peer} is not included in your API key's IP whitelist."
            raise self._refusal(401, "50110", message)
        return key

    def _known(self, api_key: str) -> SimulatedKey:
        keys = self.world.keys
        key = keys.find(self.exchange, self.environment, api_key)
        if key is not None:
            return key
        if any(keys.find(self.exchange, other, api_key) for other in ENVIRONMENTS):
            raise self._refusal(401, "50101", "APIKey does not match current environment.")
        # The real message stops before the colon. Ours names the key, as some exchanges' do, to
        # expose code that leaks it.
        raise self._refusal(401, "50111", f"Invalid OK-ACCESS-KEY: {api_key}")

    def _check_time(self, written: str, now_ms: int) -> None:
        invalid = self._refusal(401, "50112", "Invalid OK-ACCESS-TIMESTAMP")
        if not _TIME.fullmatch(written):
            raise invalid
        try:
            moment = datetime.strptime(written, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        except ValueError:
            raise invalid from None
        if abs(round(moment.timestamp() * 1000) - now_ms) > TOLERANCE_MS:
            raise self._refusal(401, "50102", "Timestamp request expired")

    # Public data

    @cached_property
    def _swaps(self) -> Mapping[str, Swap]:
        perpetuals = self.world.perpetuals
        return {swap.inst_id: swap for swap in (*listing(perpetuals), *futures(perpetuals))}

    @cached_property
    def _rows(self) -> list[Mapping[str, Any]]:
        return [*(swap.row() for swap in self._swaps.values()), UNBORN]

    def _wanted(self, call: Call) -> tuple[str, str | None]:
        """Return the requested `instType`, and `instId`, if any."""
        params = dict(parse_qsl(call.request.query, keep_blank_values=True))
        kind = params.get("instType", "")
        if not kind:
            raise self._refusal(400, "50014", "Parameter instType can not be empty")
        if kind not in ("SWAP", "SPOT", "FUTURES", "OPTION", "MARGIN"):
            raise self._refusal(400, "51000", "Parameter instType  error")
        return kind, params.get("instId")

    def _instruments(self, call: Call) -> list[Mapping[str, Any]]:
        kind, wanted = self._wanted(call)
        return [
            row for row in self._rows if row["instType"] == kind and wanted in (None, row["instId"])
        ]

    def _trading(self, call: Call) -> list[Swap]:
        kind, wanted = self._wanted(call)
        return [
            swap
            for swap in self._swaps.values()
            if swap.trades and swap.kind == kind and wanted in (None, swap.inst_id)
        ]

    def _quote(self, swap: Swap, at: float) -> Quote:
        return self.market.quote(swap.asset, at, swap.tick, share=swap.share)

    def _tickers(self, call: Call) -> list[dict[str, str]]:
        return [s.ticker(self._quote(s, call.at), call.now_ms) for s in self._trading(call)]

    def _mark_prices(self, call: Call) -> list[dict[str, str]]:
        return [
            {
                "instType": swap.kind,
                "instId": swap.inst_id,
                "markPx": text(self._quote(swap, call.at).mark),
                "ts": str(call.now_ms),
            }
            for swap in self._trading(call)
        ]

    # Account

    def _config(self, call: Call) -> list[dict[str, Any]]:
        key = call.signer
        granted = (
            ("read_only", Permission.READ),
            ("trade", Permission.TRADE),
            ("withdraw", Permission.WITHDRAW),
        )
        return [
            {
                "uid": key.account,
                "mainUid": key.account,
                "acctLv": key.trait("acctLv", "2"),
                "posMode": "net_mode",
                "perm": ",".join(word for word, right in granted if right in key.permissions),
                "ip": ",".join(key.addresses),
                "label": "simulated",
                "acctStpMode": "cancel_maker",
                "autoLoan": False,
                "ctIsoMode": "automatic",
                "enableSpotBorrow": False,
                "greeksType": "PA",
                "kycLv": "2",
                "level": "Lv1",
                "levelTmp": "",
                "liquidationGear": "-1",
                "mgnIsoMode": "automatic",
                "opAuth": "0",
                "roleType": "0",
                "spotBorrowAutoRepay": False,
                "spotOffsetType": "",
                "spotRoleType": "0",
                "spotTraderInsts": [],
                "traderInsts": [],
                "type": "0",
            }
        ]

    def _balance(self, call: Call) -> list[dict[str, Any]]:
        requested = dict(parse_qsl(call.request.query)).get("ccy", "USDT,BTC").split(",")
        funds = {"USDT": ("10000", Decimal(1)), "BTC": ("1", Decimal(91_000))}
        details = [
            {
                "ccy": coin,
                "eq": funds[coin][0],
                "cashBal": funds[coin][0],
                "availBal": funds[coin][0],
                "availEq": funds[coin][0],
                "frozenBal": "0",
                "upl": "0",
                "eqUsd": text(Decimal(funds[coin][0]) * funds[coin][1]),
                "uTime": str(call.now_ms),
            }
            for coin in requested
            if coin in funds
        ]
        total = sum((Decimal(amount) * usd for amount, usd in funds.values()), Decimal(0))
        return [
            {"totalEq": text(total), "adjEq": "", "uTime": str(call.now_ms), "details": details}
        ]

    # Orders

    def _order(self, call: Call) -> Response:
        return self._place(call, [self._read(call)])

    def _batch(self, call: Call) -> Response:
        """Take up to twenty orders in one call, each with a result of its own."""
        orders = self._read(call)
        if not isinstance(orders, list) or not 0 < len(orders) <= MOST_IN_A_BATCH:
            raise self._refusal(400, "50002", "JSON syntax error")
        return self._place(call, orders)

    def _read(self, call: Call) -> Any:
        try:
            return orjson.loads(call.request.body)
        except orjson.JSONDecodeError:
            raise self._refusal(400, "50002", "JSON syntax error") from None

    def _place(self, call: Call, orders: Sequence[Any]) -> Response:
        """Take orders; an invalid one is reported in its own result, under HTTP 200."""
        for order in orders:
            if not isinstance(order, dict):
                raise self._refusal(400, "50002", "JSON syntax error")
            for name in ("instId", "tdMode", "side", "ordType", "sz"):
                if not order.get(name):
                    raise self._refusal(400, "50014", f"Parameter {name} can not be empty")
        results = [self._result(order, call, self._flaw(order, call.signer)) for order in orders]
        failed = sum(result["sCode"] != "0" for result in results)
        code = "0" if not failed else "1" if failed == len(results) else "2"
        message = {"0": "", "1": "All operations failed", "2": "Bulk operation partially succeeded"}
        return self.json(200, {"code": code, "msg": message[code], "data": results})

    def _flaw(self, order: Mapping[str, Any], key: SimulatedKey) -> tuple[str, str] | None:
        if key.trait("acctLv", "2") == _SPOT_MODE:
            return "51010", "You can't complete this request under your current account mode."
        swap = self._swaps.get(str(order["instId"]))
        if swap is None or not swap.trades:
            return "51001", "Instrument ID does not exist"
        closed = {"tdMode": {"cross", "isolated"}, "side": {"buy", "sell"}}
        closed["ordType"] = {"market", "limit", "post_only", "fok", "ioc"}
        for name, words in closed.items():
            if order[name] not in words:
                return "51000", f"Parameter {name}  error"
        try:
            size = Decimal(str(order["sz"]))
            wrong = not size.is_finite() or size <= 0 or size % swap.lot
        except InvalidOperation:
            return "51000", "Parameter sz  error"
        return (
            ("51121", "Order count should be the integer multiples of lot size") if wrong else None
        )

    def _result(
        self, order: Mapping[str, Any], call: Call, flaw: tuple[str, str] | None
    ) -> dict[str, str]:
        code, message = flaw or ("0", "Order placed")
        return {
            "ordId": "" if flaw else str(next(self._order_ids)),
            "clOrdId": str(order.get("clOrdId", "")),
            "tag": str(order.get("tag", "")),
            "ts": str(call.now_ms),
            "sCode": code,
            "sMsg": message,
        }
