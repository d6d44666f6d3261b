"""Deribit: JSON-RPC 2.0 over HTTP, with a signature per request or a bearer token.

docs/exchange-notes.md describes the wire format, codes and field names. Where the facts leave the
HTTP status open it is 400, as in responses of Deribit's public methods.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson

from app.simulator.asymmetric import from_base64url, signed_by
from app.simulator.deribit_listing import Instrument, listing
from app.simulator.http_server import Request, Response
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Quote
from app.simulator.venue import Call, Refusal, Route, Venue, digest, same

ROOT = "/api/v2"
TOLERANCE_MS = 60_000
TOKEN_SECONDS = 900
_INTEGER = re.compile(r"[0-9]{1,18}")
_CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")
_KINDS = ("future", "option", "spot", "future_combo", "option_combo")
_FUNDS = {"BTC": 1.0, "ETH": 0.0, "USDC": 10_000.0}


class Deribit(Venue):
    exchange = "deribit"
    enum_fields: ClassVar[frozenset[str]] = frozenset(
        {"kind", "instrument_type", "future_type", "settlement_period", "state", "option_type"}
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._tokens: dict[str, tuple[str, int]] = {}
        self._numbers = count(349_249)

    @staticmethod
    def key_text(material: Material) -> KeyText:
        """Return texts of the URL-safe base64 alphabet, 8 and 43 characters long."""
        safe = str.maketrans("+/", "-_", "=")
        key, secret = material.base64("key", 6), material.base64("secret", 32)
        return KeyText(key.translate(safe), secret.translate(safe))

    def routes(self) -> Sequence[Route]:
        read, trade = Permission.READ, Permission.TRADE
        methods: list[tuple[str, Callable[[Call], Any], Permission | None]] = [
            ("public/get_time", lambda call: call.now_ms, None),
            ("public/status", lambda _: {"locked": "false"}, None),
            ("public/get_currencies", self._currencies, None),
            ("public/get_instruments", self._instruments, None),
            ("public/get_book_summary_by_currency", self._summaries, None),
            ("public/ticker", self._ticker, None),
            ("public/auth", self._auth, None),
            ("private/get_account_summaries", self._accounts, read),
            ("private/get_account_summary", self._account, read),
            ("private/list_api_keys", self._api_keys, read),
            ("private/buy", self._order, trade),
            ("private/sell", self._order, trade),
        ]
        return [
            Route(verb, f"{ROOT}/{method}", handler, needs)
            for method, handler, needs in methods
            for verb in ("GET", "POST")
        ]

    def envelope(self, payload: Any, call: Call) -> Any:
        message = _message(call.request)
        number = {"id": message["id"]} if message and "id" in message else {}
        return {"jsonrpc": "2.0", **number, "result": payload, **self._measured()}

    def _measured(self) -> dict[str, Any]:
        now = int(self.world.clock() * 1_000_000)
        return {"usIn": now, "usOut": now + 500, "usDiff": 500, "testnet": not self.is_live}

    # Refusals

    def _error(self, status: int, code: int, message: str, data: Any = None) -> Response:
        error = {"code": code, "message": message} | ({} if data is None else {"data": data})
        return self.json(status, {"jsonrpc": "2.0", "error": error, **self._measured()})

    def _refusal(self, code: int, message: str, data: Any = None) -> Refusal:
        return Refusal(self._error(400, code, message, data))

    def _invalid(self, param: str, reason: str) -> Refusal:
        return self._refusal(-32602, "Invalid params", {"reason": reason, "param": param})

    def _invalid_token(self) -> Refusal:
        return self._refusal(13009, "unauthorized", {"reason": "invalid_token"})

    def refused(self, status: int, code: str, message: str) -> Response:
        return self._error(status, int(code), message)

    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        del key, request
        return self._refusal(13021, "forbidden")

    def rate_limited(self, retry_after: int | None) -> Response:
        """Respond as Deribit does, without a time to wait; `retry-after` is set only on request."""
        response = self._error(429, 10028, "too_many_requests")
        extra = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Response(response.status, response.body, {**response.headers, **extra})

    def server_error(self, status: int) -> Response:
        if status == 503:
            return self._error(503, 11051, "system_maintenance")
        return self._error(status, 11094, "internal_server_error")

    def not_found(self, request: Request) -> Response:
        del request
        return self._error(400, -32601, "Method not found")

    def wrong_method(self, request: Request) -> Response:
        del request
        return self._error(400, -32600, "Invalid Request")

    # Authentication

    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "deri-hmac-sha256":
            return self._signer(request, rest, now_ms)
        if scheme.lower() in ("", "bearer"):
            return self._bearer(rest, now_ms)
        raise self._refusal(10000, "authorization_required")

    def _signer(self, request: Request, credentials: str, now_ms: int) -> SimulatedKey:
        parts = dict(part.partition("=")[::2] for part in credentials.split(","))
        if not all(parts.get(name) for name in ("id", "ts", "sig", "nonce")):
            raise self._refusal(10000, "authorization_required")
        key = self._known(parts["id"])
        if key.public_key is not None:  # keys of this kind sign nothing but a login
            raise self._refusal(13009, "unauthorized")
        self._check_time(parts["ts"], now_ms)
        body = request.body.decode("latin-1")
        lines = (parts["ts"], parts["nonce"], request.method, request.target, body, "")
        if not same(digest(key.text.api_secret, "\n".join(lines)).hex(), parts["sig"]):
            raise self._refusal(13009, "unauthorized")
        return self._from_its_address(key, request)

    def _bearer(self, token: str, now_ms: int) -> SimulatedKey:
        api_key, expires_ms = self._tokens.get(token, ("", 0))
        key = self.world.keys.find(self.exchange, self.environment, api_key)
        if key is None or now_ms >= expires_ms:
            raise self._invalid_token()
        return key

    def _known(self, client_id: str) -> SimulatedKey:
        key = self.world.keys.find(self.exchange, self.environment, client_id)
        if key is None:
            # The real response has no `data`. Ours names the key, as some exchanges' do, to expose
            # code that leaks it.
            raise self._refusal(13004, "invalid_credentials", {"client_id": client_id})
        return key

    def _from_its_address(self, key: SimulatedKey, request: Request) -> SimulatedKey:
        """Check the address; Deribit's error for a wrong one is unconfirmed."""
        if not key.comes_from(request.peer):
            raise self._refusal(13004, "invalid_credentials")
        return key

    def _check_time(self, written: str, now_ms: int) -> None:
        if not _INTEGER.fullmatch(written) or abs(int(written) - now_ms) > TOLERANCE_MS:
            raise self._refusal(13009, "unauthorized")

    def _auth(self, call: Call) -> dict[str, Any]:
        params = self._params(call)
        grant = params.get("grant_type")
        if grant not in ("client_credentials", "client_signature"):
            raise self._invalid("grant_type", "invalid grant type")
        key = self._known(self._text(params, "client_id"))
        if grant == "client_credentials":
            proven = key.public_key is None and same(
                key.text.api_secret, self._text(params, "client_secret")
            )
        else:
            stamp, nonce = str(params.get("timestamp", "")), str(params.get("nonce", ""))
            self._check_time(stamp, call.now_ms)
            text = "\n".join((stamp, nonce, str(params.get("data", ""))))
            proven = _proven(key, text, self._text(params, "signature"))
        if not proven:
            raise self._refusal(13004, "invalid_credentials")
        return self._grant(self._from_its_address(key, call.request), call.now_ms)

    def _grant(self, key: SimulatedKey, now_ms: int) -> dict[str, Any]:
        number = str(next(self._numbers))
        material = Material(self.world.seed, self.exchange, self.environment, "token", number)
        token, refresh = (
            f"{now_ms}.{material.alphanumeric(kind, 8)}.{material.alphanumeric(f'{kind} rest', 64)}"
            for kind in ("access", "refresh")
        )
        self._tokens[token] = key.text.api_key, now_ms + TOKEN_SECONDS * 1000
        return {
            "access_token": token,
            "refresh_token": refresh,
            "expires_in": TOKEN_SECONDS,
            "scope": key.trait("scope", _scope(key)),
            "enabled_features": [],
            "token_type": "bearer",
        }

    def _text(self, params: Mapping[str, Any], name: str) -> str:
        value = params.get(name)
        if not isinstance(value, str) or not value:
            raise self._invalid(name, "value is required")
        return value

    def _params(self, call: Call) -> dict[str, Any]:
        """Return the parameters of the query or of the JSON-RPC message."""
        if call.request.method == "GET":
            return dict(parse_qsl(call.request.query, keep_blank_values=True))
        message = _message(call.request)
        if message is None:
            raise self._refusal(-32700, "Parse error")
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise self._refusal(-32600, "Invalid Request")
        return params

    # Public data

    @cached_property
    def _listed(self) -> Mapping[str, Instrument]:
        world = self.world
        return {one.name: one for one in listing(world.perpetuals, world.started_ms)}

    def _currencies(self, call: Call) -> list[dict[str, Any]]:
        self._params(call)
        return [{"currency": name, "currency_long": name} for name in _CURRENCIES]

    def _asked(self, call: Call, currencies: Sequence[str]) -> tuple[list[Instrument], bool]:
        """Return the rows of a kind and a currency, and whether expired ones are requested."""
        params = self._params(call)
        currency, kind = params.get("currency"), params.get("kind")
        if currency is not None and currency not in currencies:
            raise self._invalid("currency", "invalid currency")
        if kind is not None and kind not in (*_KINDS, "any"):
            raise self._invalid("kind", "invalid kind")
        found = [
            one
            for one in self._listed.values()
            if currency in (None, "any") or one.concerns(currency)
            if kind in (None, "any", one.kind)
        ]
        return found, str(params.get("expired", "false")).lower() == "true"

    def _instruments(self, call: Call) -> list[dict[str, Any]]:
        """Return instruments; without a currency all, though the documentation requires one."""
        found, expired = self._asked(call, (*_CURRENCIES, "any"))
        return [one.row() for one in found if (one.expires <= call.now_ms) == expired]

    def _quote(self, one: Instrument, at: float) -> Quote:
        return self.market.quote(one.asset, at, one.tick, scale=one.scale, share=one.share)

    def _summaries(self, call: Call) -> list[dict[str, Any]]:
        if self._params(call).get("currency") is None:
            raise self._invalid("currency", "value is required")
        found, _ = self._asked(call, _CURRENCIES)
        return [
            one.summary(self._quote(one, call.at), call.now_ms)
            for one in found
            if one.is_future and one.opens
        ]

    def _instrument(self, params: Mapping[str, Any]) -> Instrument:
        one = self._listed.get(str(params.get("instrument_name", "")))
        if one is None or not one.is_future:
            raise self._invalid("instrument_name", "instrument not found")
        return one

    def _ticker(self, call: Call) -> dict[str, Any]:
        one = self._instrument(self._params(call))
        return one.ticker(self._quote(one, call.at), call.now_ms)

    # Account

    def _accounts(self, call: Call) -> dict[str, Any]:
        """Return the accounts; the account's identity is included only with `extended`."""
        answer: dict[str, Any] = {"summaries": [self._funds(name) for name in _FUNDS]}
        if str(self._params(call).get("extended", "false")).lower() == "true":
            number = int(call.signer.account[:6])
            answer |= {
                "id": number,
                "email": f"user{number}@example.com",
                "username": f"user{number}",
                "system_name": f"user_{number}",
                "type": "main",
                "creation_timestamp": 1_534_167_754_000,
                "login_enabled": True,
                "mmp_enabled": False,
            }
        return answer

    def _account(self, call: Call) -> dict[str, Any]:
        currency = self._params(call).get("currency")
        if currency not in _FUNDS:
            raise self._invalid("currency", "invalid currency")
        return self._funds(currency)

    def _funds(self, currency: str) -> dict[str, Any]:
        amount = _FUNDS[currency]
        names = ("equity", "balance", "available_funds", "available_withdrawal_funds")
        zero = ("initial_margin", "maintenance_margin", "total_pl", "session_upl", "delta_total")
        return {
            "currency": currency,
            **dict.fromkeys((*names, "margin_balance"), amount),
            **dict.fromkeys(zero, 0.0),
            "margin_model": "cross_sm",
            "cross_collateral_enabled": True,
            "portfolio_margining_enabled": False,
        }

    def _api_keys(self, call: Call) -> Any:
        """Refuse the list of keys: it needs a second factor, which no API key has."""
        del call
        raise self._refusal(13003, "tfa_required")

    # Orders

    def _order(self, call: Call) -> dict[str, Any]:
        """Take an order; a market order is filled at once."""
        params = self._params(call)
        one = self._instrument(params)
        if not one.opens:
            raise self._refusal(13019, "orderbook_closed")
        amount = self._number(params, "amount")
        if amount <= 0 or amount % one.lot:
            raise self._invalid("amount", "must be a multiple of the minimum order size")
        kind = params.get("type", "limit")
        if kind not in ("limit", "market"):
            raise self._invalid("type", "invalid order type")
        limit = self._number(params, "price") if kind == "limit" else None
        if limit is not None and (limit <= 0 or limit % one.tick):
            raise self._refusal(10043, "price_wrong_tick")
        last = self._quote(one, call.at).last
        order = {
            "order_id": f"{one.settle}-{next(self._numbers)}",
            "instrument_name": one.name,
            "direction": call.request.path.rpartition("/")[2],
            "order_type": kind,
            "order_state": "filled" if limit is None else "open",
            "price": "market_price" if limit is None else float(limit),
            "average_price": float(last) if limit is None else 0.0,
            "amount": float(amount),
            "filled_amount": float(amount) if limit is None else 0.0,
            "time_in_force": params.get("time_in_force", "good_til_cancelled"),
            "label": str(params.get("label", "")),
            "post_only": False,
            "reduce_only": False,
            "api": True,
            "creation_timestamp": call.now_ms,
            "last_update_timestamp": call.now_ms,
        }
        return {"order": order, "trades": []}

    def _number(self, params: Mapping[str, Any], name: str) -> Decimal:
        try:
            number = Decimal(str(params[name]))
        except (KeyError, InvalidOperation):
            raise self._invalid(name, "value is required") from None
        if not number.is_finite():
            raise self._invalid(name, "invalid number")
        return number


def _message(request: Request) -> dict[str, Any] | None:
    """Return the JSON-RPC message of a POST, if there is one."""
    try:
        message = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None
    return message if isinstance(message, dict) else None


def _hmac(secret: str, text: str) -> str:
    """Return the HMAC-SHA256 in hex of a text that was JSON and is encoded as UTF-8 again."""
    return digest(secret, text.encode().decode("latin-1")).hex()


def _proven(key: SimulatedKey, text: str, signature: str) -> bool:
    """Verify an HMAC in hex, or a registered key's signature in base64url."""
    if key.public_key is None:
        return same(_hmac(key.text.api_secret, text), signature)
    return signed_by(key.public_key, text.encode().decode("latin-1"), from_base64url(signature))


def _scope(key: SimulatedKey) -> str:
    """Return the scopes as `public/auth` writes them: `none` marks a permission not granted."""
    trade = "read_write" if Permission.TRADE in key.permissions else "read"
    wallet = "read_write" if Permission.WITHDRAW in key.permissions else "none"
    return (
        "account:read block_rfq:none block_trade:read connection custody:none mainaccount "
        f"trade:{trade} wallet:{wallet}"
    )
