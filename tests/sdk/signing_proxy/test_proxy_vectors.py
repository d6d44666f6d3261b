"""Signatures of the proxy, compared with those of an independent client."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from botkeys.exchanges.model import ContractType, Credentials
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy import market
from botkeys.signing_proxy.canonical import Incoming, read
from botkeys.signing_proxy.exchanges import DIALECTS

MOMENT = datetime.fromtimestamp(1_700_000_000, UTC)
VECTORS = Path(__file__).parents[4] / "shared/exchanges/signing-vectors.json"


@pytest.fixture(scope="module")
def vectors() -> dict[str, list[dict[str, Any]]]:
    if not VECTORS.exists():
        pytest.skip("signing-vectors.json is not beside this repository")
    found: dict[str, list[dict[str, Any]]] = json.loads(VECTORS.read_text())
    return found


@pytest.mark.parametrize("exchange", DIALECTS)
def test_a_call_is_signed_as_others_sign_it(
    vectors: dict[str, list[dict[str, Any]]], exchange: str
) -> None:
    for vector in vectors[exchange]:
        assert vector["fixed_time_ms"] == MOMENT.timestamp() * 1000
        environment = "live" if vector["environment"] == "live" else "testnet"
        part = market(exchange, environment, ContractType.LINEAR)
        dialect = DIALECTS[exchange](part, lambda: MOMENT)
        url = urlsplit(vector["url"])
        target = f"{url.path}?{url.query}" if url.query else url.path
        call = read(Incoming(vector["method"], target.encode(), []))
        passphrase = vector["passphrase"]
        given = Credentials(
            Secret(vector["api_key"]),
            Secret(vector["secret"]),
            None if passphrase is None else Secret(passphrase),
        )
        sent = dialect.signed(call, given)
        assert sent.target == target
        kept = {name: text for name, text in vector["headers"].items() if name != "Content-Type"}
        assert sent.headers == kept
