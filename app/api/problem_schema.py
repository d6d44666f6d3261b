"""The common schema of all errors, as the OpenAPI document describes it."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from functools import cache
from typing import Annotated, Any, NotRequired
from uuid import UUID

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from app.api.openapi_examples import Examples
from app.api.schemas import DecimalText
from app.errors import AppError


class Fault(TypedDict):
    """A fault in one part of the request. It never repeats what was sent."""

    loc: Annotated[
        list[str | int],
        Field(
            description="The location: `body`, `query`, `path` or `header`, then the path to the "
            "part."
        ),
        Field(examples=[["body", "label"]]),
    ]
    type: Annotated[
        str, Field(description="The stable name of the fault, for programs.", examples=["missing"])
    ]
    msg: Annotated[str, Field(description="A sentence for people.", examples=["Field required"])]


class ProblemBot(TypedDict):
    """A bot that the problem concerns."""

    id: UUID
    name: Annotated[str, Field(examples=["Grid BTC"])]


class Problem(TypedDict):
    """The response to every request that fails (status 400 or more).

    The members after `request_id` depend on `code`. Later versions may add members and codes.
    """

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # Pydantic's own way

    type: Annotated[
        str,
        Field(
            description="`urn:botkeys:problem:` followed by the code.",
            examples=["urn:botkeys:problem:not_found"],
        ),
    ]
    title: Annotated[
        str,
        Field(
            description="A short text for people, the same for every problem with this code.",
            examples=["Not found"],
        ),
    ]
    status: Annotated[int, Field(description="The HTTP status.", examples=[404])]
    code: Annotated[str, Field(description="The stable name of the problem, for programs.")]
    detail: Annotated[str, Field(description="What is wrong and how to fix it, for people.")]
    request_id: Annotated[
        str,
        Field(
            description="Quote this id in questions about the request.",
            examples=["01938a5e-0000-7000-8000-000000000000"],
        ),
    ]
    errors: NotRequired[
        Annotated[list[Fault], Field(description="What is wrong with the request, part by part.")]
    ]
    reason: NotRequired[
        Annotated[
            str,
            Field(
                description="What is wrong with the token, why the exchange rejected the "
                "credentials, or why the instruments could not be fetched.",
                examples=["expired"],
            ),
        ]
    ]
    possible: NotRequired[
        Annotated[
            list[str],
            Field(
                description="The possible causes, if the exchange does not distinguish them.",
                examples=[["invalid_key", "ip_not_allowed", "permission"]],
            ),
        ]
    ]
    exchange_code: NotRequired[
        Annotated[
            str,
            Field(
                description="The exchange's own code for rejecting the credentials, never its "
                "text; `other` for one that is neither a number nor a word.",
                pattern=r"^(-?[0-9]{1,10}|[A-Za-z]+( [A-Za-z]+)?)$",
                examples=["-2015"],
            ),
        ]
    ]
    blocked_by: NotRequired[
        Annotated[
            list[str],
            Field(
                description="Every reason why the position may not be opened, in order; `code` is "
                "the first.",
                examples=[["bot_paused", "frozen"]],
            ),
        ]
    ]
    count: NotRequired[
        Annotated[int, Field(description="The number of open positions.", examples=[2])]
    ]
    max_leverage: NotRequired[
        Annotated[
            DecimalText,
            Field(description="The exchange's maximum, a decimal as text.", examples=["50"]),
        ]
    ]
    margin_mode: NotRequired[
        Annotated[
            str,
            Field(description="The margin mode of the exchange account.", examples=["cross"]),
        ]
    ]
    margin_modes: NotRequired[
        Annotated[
            list[str],
            Field(description="The margin modes that the symbol supports.", examples=[["cross"]]),
        ]
    ]
    exchange: NotRequired[
        Annotated[str, Field(description="The id of the exchange that is meant.", examples=["okx"])]
    ]
    region: NotRequired[
        Annotated[str, Field(description="The region that the name implies.", examples=["eea"])]
    ]
    contract_type: NotRequired[
        Annotated[
            str, Field(description="The contract type that the name implies.", examples=["linear"])
        ]
    ]
    contract_types: NotRequired[
        Annotated[
            list[str],
            Field(
                description="The contract types that the exchange offers.", examples=[["linear"]]
            ),
        ]
    ]
    algorithms: NotRequired[
        Annotated[
            list[str],
            Field(
                description="The algorithms of key pairs that the exchange takes.",
                examples=[["ed25519"]],
            ),
        ]
    ]
    regions: NotRequired[
        Annotated[
            list[str],
            Field(description="The exchange's regions; empty if it has none.", examples=[["eea"]]),
        ]
    ]
    bot: NotRequired[
        Annotated[ProblemBot, Field(description="The bot that the key is assigned to.")]
    ]
    bots: NotRequired[
        Annotated[
            list[ProblemBot], Field(description="The bots that hold a position with this id.")
        ]
    ]
    key_id: NotRequired[
        Annotated[UUID | None, Field(description="The key that already has these credentials.")]
    ]
    key_ids: NotRequired[
        Annotated[list[UUID], Field(description="The ids that name no key of the account.")]
    ]
    symbol: NotRequired[
        Annotated[
            str, Field(description="The stored position's value.", examples=["BTC-USDT-SWAP"])
        ]
    ]
    symbols: NotRequired[
        Annotated[
            list[str],
            Field(
                description="The instruments that the symbol may mean.",
                examples=[["BTC-USDT-SWAP", "BTC-USDT_UM-SWAP"]],
            ),
        ]
    ]
    side: NotRequired[
        Annotated[str, Field(description="The stored position's value.", examples=["long"])]
    ]
    operation_id: NotRequired[
        Annotated[UUID | None, Field(description="The operation that closes the account.")]
    ]
    operation_status: NotRequired[
        Annotated[str, Field(description="The status of the operation.", examples=["running"])]
    ]
    required: NotRequired[
        Annotated[
            str,
            Field(
                description="The scopes that the token lacks, separated by spaces.",
                examples=["keys:write"],
            ),
        ]
    ]
    expected: NotRequired[
        Annotated[
            str, Field(description="The required kind of token: `user` or `bot`.", examples=["bot"])
        ]
    ]
    limit: NotRequired[
        Annotated[
            int,
            Field(
                description="What is allowed at most: bytes of a body, or objects of that kind.",
                examples=[4_194_304],
            ),
        ]
    ]
    retry_after: NotRequired[
        Annotated[int, Field(description="Seconds to wait before trying again.", examples=[5])]
    ]
    now: NotRequired[Annotated[datetime, Field(description="The service's current time.")]]


def describe_problems(schemas: dict[str, Any]) -> None:
    """Add the common schema of all errors, instead of FastAPI's own 422, which is never sent.

    The enum of codes is open: a generated client treats unknown codes as text.
    """
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = deepcopy(_problem_schema())
    schemas |= problem.pop("$defs")
    problem["properties"]["code"] = {
        "$ref": "#/components/schemas/ProblemCode",
        "description": problem["properties"]["code"]["description"],
    }
    schemas["Problem"] = problem
    schemas["ProblemCode"] = {
        "description": "Stable names of problems. Later versions may add codes: handle an "
        "unknown one by the status of the response.",
        "anyOf": [{"type": "string", "enum": problem_codes()}, {"type": "string"}],
    }


def problem_codes() -> list[str]:
    """Return the codes of all errors that the loaded domains declare, in alphabetical order."""
    return sorted({kind.code for kind in error_classes()})


def error_classes(root: type[AppError] = AppError) -> Iterator[type[AppError]]:
    """Yield the class and all its subclasses."""
    yield root
    for kind in root.__subclasses__():
        yield from error_classes(kind)


def example_members(kind: type[AppError]) -> dict[str, Any]:
    """Return the members of an example of this kind of problem."""
    schema = _problem_schema()
    examples = Examples(schema["$defs"])
    members = {name: examples.of(schema["properties"][name], name) for name in kind.member_names}
    return {**members, "blocked_by": [kind.code]} if "blocked_by" in members else members


@cache
def _problem_schema() -> dict[str, Any]:
    return TypeAdapter(Problem).json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
