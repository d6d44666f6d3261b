"""The problem documents of all errors, checked against their schema in the OpenAPI document."""

import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import jsonschema_rs
import orjson
import pytest

from app.api.problem_schema import Problem, error_classes
from app.api.problems import problem_document
from app.auth.errors import TokenFault
from app.errors import AppError, RatePolicy
from app.kit.json_codec import dumps
from app.settings import Role
from botkeys.exchanges.ccxt_ids import CcxtExchange
from botkeys.exchanges.model import ContractType, ExchangeId
from tests.support.routes import document_of

ID = UUID("01938a5e-0000-7000-8000-000000000000")
KINDS = sorted(set(error_classes()), key=lambda kind: (kind.__module__, kind.__name__))
COMMON = {"type", "title", "status", "code", "detail", "request_id"}
SAMPLES: dict[str, Any] = {
    "anywhere": True,
    "bot_id": ID,
    "bot_name": "Grid BTC",
    "bots": [{"id": ID, "name": "Grid BTC"}],
    "contract_type": "linear",
    "count": 2,
    "detail": "A sentence.",
    "unlisted": 3,
    "environment": "live",
    "exchange_code": "-2015",
    "errors": [{"loc": ["body", "items", 0], "type": "missing", "msg": "Field required"}],
    "expected": "bot",
    "fault": TokenFault.EXPIRED,
    "key_id": ID,
    "key_ids": [ID],
    "limit": 4096,
    "margin_mode": "cross",
    "maximum": Decimal(50),
    "meant": CcxtExchange(ExchangeId.OKX, "eea", ContractType.LINEAR),
    "modes": ["isolated"],
    "name": "OKX",
    "now": datetime(2026, 11, 22, 10, tzinfo=UTC),
    "offered": ["linear"],
    "operation_id": ID,
    "operation_status": "running",
    "possible": ["permission"],
    "reason": "refused",
    "regions": ["eea"],
    "required": "keys:write",
    "retry_after": 5,
    "seconds": 5,
    "files": ("application/json",),
    "policy": RatePolicy("account", 500, 5),
    "side": "long",
    "symbol": "BTC-USDT-SWAP",
    "symbols": ["BTC-USDT-SWAP", "BTC-USDT_UM-SWAP"],
}


def make(kind: type[AppError]) -> AppError:
    """Make an error of the kind with all its members."""
    parameters = list(inspect.signature(kind).parameters.values())
    given: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            given[parameter.name] = SAMPLES[parameter.name]
        elif kind.member_names:
            given |= {name: ["frozen"] for name in kind.member_names}
    return kind(**given)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_each_error_has_the_members_that_it_names_and_they_fit_the_schema(
    kind: type[AppError],
) -> None:
    error = make(kind)
    document = document_of(Role.ALL)
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}

    sent = orjson.loads(dumps(problem_document(error, str(ID))))

    assert set(error.members) == set(kind.member_names)
    assert not COMMON & set(error.members)
    jsonschema_rs.validator_for(schema).validate(sent)


def test_each_member_of_problems_is_some_error_s_and_described() -> None:
    members = set(Problem.__annotations__) - COMMON
    assert members == {name for kind in KINDS for name in kind.member_names}
    for name, schema in document_of(Role.ALL)["components"]["schemas"]["Problem"][
        "properties"
    ].items():
        assert schema["description"], name


def test_the_enum_of_codes_is_every_error_s_and_open() -> None:
    schemas = document_of(Role.ALL)["components"]["schemas"]
    known, unknown = schemas["ProblemCode"]["anyOf"]
    assert known["enum"] == sorted({kind.code for kind in KINDS})
    assert unknown == {"type": "string"}
    assert schemas["Problem"]["properties"]["code"]["$ref"] == "#/components/schemas/ProblemCode"
