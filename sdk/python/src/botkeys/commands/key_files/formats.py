"""The formats: how each is recognised, and what its entries mean."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import StringIO
from typing import Any

from botkeys.commands.endings import BadData
from botkeys.commands.key_files.ccxt_words import ccxt_market, trades_spot
from botkeys.commands.key_files.entries import (
    PROFILES,
    Assumptions,
    Found,
    KeyEntry,
    Unusable,
    Wrong,
    credentials,
    market,
    member,
)
from botkeys.environment import Environment
from botkeys.exchanges.ccxt_ids import from_ccxt
from botkeys.exchanges.model import ContractType

Entries = Iterator[Found]

_SPOT_KEY = (
    "It trades spot, and keys here are for perpetuals. If the key may trade them too, import it "
    "with --contract-type."
)
# Strings first, so that nothing inside of one is taken for a comment or a comma at the end.
# One that does not end reaches to the end of the text: it is scanned once.
_STRING = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*(?:.*?\*/|.*)", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)
_LONGEST_HEADER = 4096
_JESSE_EXCHANGE = re.compile(
    r"(?P<exchange>.+?) (?P<kind>Spot|(USDT |USDC |Inverse )?Perpetual( Futures)?)"
    r"(?P<test> Testnet)?"
)


def read_entries(
    text: str, format_name: str | None, assumed: Assumptions
) -> tuple[str, list[Found]]:
    """Return the file's format and its entries. Raises BadData for a file that is none of them."""
    if format_name == "jesse" or (format_name is None and _is_csv(text)):
        return "jesse", list(_jesse(text, assumed))
    document = _parsed(text)
    chosen = format_name or _recognised(document)
    if chosen is None or not _SHAPES[chosen](document):
        known = ", ".join((*_READERS, "jesse"))
        raise BadData(
            f"The file is not of the format {chosen}."
            if chosen
            else f"The file's format is unknown. Known are: {known}. See docs/cli.md.",
            code="format_unknown",
        )
    return chosen, list(_READERS[chosen](document, assumed))


def _parsed(text: str) -> Any:
    """Return JSON, also with comments and commas at the end of lists, as freqtrade has it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    bare = _COMMENT.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)
    bare = _TRAILING_COMMA.sub(lambda found: found[0] if found[0][0] == '"' else "", bare)
    where = ""
    try:
        return json.loads(bare)
    except json.JSONDecodeError as error:
        where = f" (line {text.count(chr(10), 0, error.pos) + 1})" if bare == text else ""
    except (ValueError, RecursionError):
        pass
    # Outside the except blocks, whose errors hold the file.
    raise BadData(f"The file is neither JSON nor CSV with a header{where}.", code="format_unknown")


def _recognised(document: Any) -> str | None:
    return next((name for name, shape in _SHAPES.items() if shape(document)), None)


def _found(name: str, read: Callable[[], KeyEntry]) -> Found:
    try:
        return read()
    except Wrong as error:
        return Unusable(name, str(error))


# Our own: {"keys": [{"label", "exchange", "environment", "contract_type", "api_key", …}]}


def _is_own(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("keys"), list)


def _own(document: Any, assumed: Assumptions) -> Entries:
    for number, entry in enumerate(document["keys"], 1):
        name = f"keys[{number}]"
        if isinstance(entry, dict) and isinstance(entry.get("label"), str) and entry["label"]:
            name = entry["label"]
        yield _found(name, partial(_own_entry, name, entry, assumed))


def _own_entry(name: str, entry: Any, assumed: Assumptions) -> KeyEntry:
    if not isinstance(entry, dict):
        raise Wrong("It is no object.")
    exchange = member(entry, "exchange")
    if exchange is None:
        raise Wrong("It names no exchange.")
    meant = None if exchange in PROFILES else from_ccxt(exchange)
    if exchange not in PROFILES and meant is None:
        raise Wrong(f"Its exchange is none of {', '.join(PROFILES)}.")
    environment = member(entry, "environment") or assumed.environment
    if environment not in set(Environment):
        raise Wrong("Its environment must be live or testnet.")
    stated = member(entry, "contract_type") or (meant and meant.contract_type)
    stated = stated or assumed.contract_type
    if stated is not None and stated not in set(ContractType):
        raise Wrong("Its contract_type must be linear or inverse.")
    active = entry.get("active", True)
    if not isinstance(active, bool):
        raise Wrong("active must be true or false.")
    return KeyEntry(
        name,
        name,
        market(
            exchange if meant is None else meant.exchange,
            Environment(environment),
            member(entry, "region") or (meant.region if meant else None),
            None if stated is None else ContractType(stated),
        ),
        credentials(entry),
        active,
    )


# freqtrade: {"trading_mode": "futures", "exchange": {"name", "key", "secret", "password", …}}


def _is_freqtrade(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("exchange"), dict)
        and "name" in document["exchange"]
    )


def _freqtrade(document: Any, assumed: Assumptions) -> Entries:
    exchange = document["exchange"]
    named = document.get("bot_name") or exchange.get("name")
    name = named if isinstance(named, str) and named else "freqtrade"
    yield _found(name, partial(_freqtrade_entry, name, document, exchange, assumed))


def _freqtrade_entry(
    name: str, document: Mapping[str, Any], exchange: Mapping[str, Any], assumed: Assumptions
) -> KeyEntry:
    ccxt_id = member(exchange, "name")
    if ccxt_id is None:
        raise Wrong("It names no exchange.")
    if document.get("trading_mode", "spot") != "futures" and assumed.contract_type is None:
        raise Wrong(_SPOT_KEY)
    config: dict[str, Any] = {}
    for part in ("ccxt_config", "ccxt_sync_config", "ccxt_async_config"):
        if isinstance(exchange.get(part), dict):
            config |= exchange[part]
    # Its futures are linear; `defaultType` is what it sets itself.
    linear = Assumptions(assumed.environment, assumed.contract_type or ContractType.LINEAR)
    return KeyEntry(
        name, f"{name} (freqtrade)", ccxt_market(ccxt_id, config, linear), credentials(exchange)
    )


# passivbot: {"binance_01": {"exchange": "binance", "key", "secret", "passphrase"}, …}


def _is_passivbot(document: Any) -> bool:
    return isinstance(document, dict) and any(
        isinstance(entry, dict) and isinstance(entry.get("exchange"), str)
        for entry in document.values()
    )


def _passivbot(document: Any, assumed: Assumptions) -> Entries:
    for name, entry in document.items():
        # Notes, links and providers of other data stand beside the users.
        if isinstance(entry, dict) and "exchange" in entry:
            yield _found(name, partial(_named, name, entry, assumed))


def _named(name: str, entry: Mapping[str, Any], assumed: Assumptions) -> KeyEntry:
    ccxt_id = member(entry, "exchange", "id")
    if ccxt_id is None:
        raise Wrong("It names no exchange.")
    if from_ccxt(ccxt_id) is not None and trades_spot(entry) and assumed.contract_type is None:
        raise Wrong(_SPOT_KEY)
    return KeyEntry(name, name, ccxt_market(ccxt_id, entry, assumed), credentials(entry))


# ccxt: the constructor's dictionary with its exchange's id, a list of such, or one for each id


def _is_ccxt(document: Any) -> bool:
    if isinstance(document, list):
        return bool(document) and all(isinstance(entry, dict) for entry in document)
    if not isinstance(document, dict):
        return False
    if _is_ccxt_options(document):
        return True
    return any(isinstance(entry, dict) and "apiKey" in entry for entry in document.values())


def _is_ccxt_options(document: Mapping[str, Any]) -> bool:
    return "apiKey" in document and ("id" in document or "exchange" in document)


def _ccxt(document: Any, assumed: Assumptions) -> Entries:
    entries: Iterator[tuple[str, Any]]
    if isinstance(document, list):
        entries = ((f"[{number}]", entry) for number, entry in enumerate(document, 1))
    elif _is_ccxt_options(document):
        entries = iter([("options", document)])
    else:
        entries = (
            (name, {"id": name, **entry})
            for name, entry in document.items()
            if isinstance(entry, dict)
        )
    for place, entry in entries:
        named = entry.get("id") or entry.get("exchange")
        name = named if isinstance(named, str) and named else place
        yield _found(name, partial(_named, name, entry, assumed))


# jesse: a table of exchange_name, name, api_key, api_secret and additional_fields, which is JSON


def _header(text: str) -> list[str]:
    first = text.lstrip().split("\n", 1)[0][:_LONGEST_HEADER]
    return [name.strip().lower() for name in next(csv.reader([first]), [])]


def _is_csv(text: str) -> bool:
    return {"api_key", "api_secret"} <= set(_header(text))


def _jesse(text: str, assumed: Assumptions) -> Entries:
    names = set(_header(text))
    if not {"api_key", "api_secret"} <= names or not names & {"exchange", "exchange_name"}:
        raise BadData(
            "The CSV file needs a header with exchange_name, name, api_key and api_secret.",
            code="format_unknown",
        )
    try:
        rows = list(csv.DictReader(StringIO(text.lstrip())))
    except csv.Error:
        rows = None
    if rows is None:
        raise BadData("The CSV file is damaged.", code="format_unknown")
    for number, row in enumerate(rows, 1):
        entry = {
            name.strip().lower(): value for name, value in row.items() if isinstance(name, str)
        }
        given = entry.get("name")
        name = given if isinstance(given, str) and given.strip() else f"row {number}"
        yield _found(name, partial(_jesse_entry, name, entry, assumed))


def _jesse_entry(name: str, entry: Mapping[str, Any], assumed: Assumptions) -> KeyEntry:
    exchange = member(entry, "exchange_name", "exchange")
    if exchange is None:
        raise Wrong("It names no exchange.")
    shape = _JESSE_EXCHANGE.fullmatch(exchange.strip())
    ours = shape and shape["exchange"].lower().replace(" ", "")
    if shape is None or ours not in PROFILES:
        raise Wrong(f"Its exchange is none of {', '.join(PROFILES)}.")
    if shape["kind"] == "Spot" and assumed.contract_type is None:
        raise Wrong(_SPOT_KEY)
    stated = ContractType.INVERSE if shape["kind"].startswith("Inverse") else None
    environment = Environment.TESTNET if shape["test"] else assumed.environment
    further: Any = {}
    if text := member(entry, "additional_fields"):
        further = _additional(text)
    return KeyEntry(
        name,
        name,
        market(
            str(ours),
            environment or Environment.LIVE,
            None,
            stated or assumed.contract_type or ContractType.LINEAR,
        ),
        credentials({**further, **{name: value for name, value in entry.items() if value}}),
    )


def _additional(text: str) -> Mapping[str, Any]:
    try:
        further = json.loads(text)
    except (ValueError, RecursionError):
        further = None
    if not isinstance(further, dict):
        raise Wrong("additional_fields is not JSON.")
    return further


_SHAPES: Mapping[str, Callable[[Any], bool]] = {
    "botkeys": _is_own,
    "freqtrade": _is_freqtrade,
    "passivbot": _is_passivbot,
    "ccxt": _is_ccxt,
}
"""In the order in which they are tried: a passivbot file may use ccxt's names for its members."""

_READERS: Mapping[str, Callable[[Any, Assumptions], Entries]] = {
    "botkeys": _own,
    "freqtrade": _freqtrade,
    "ccxt": _ccxt,
    "passivbot": _passivbot,
}
