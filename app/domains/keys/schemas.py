"""A key as the API shows it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from app.api.schemas import Document, Flag, Input, Label, NextCursor, SecretText
from app.domains.keys.errors import NameOfCcxt
from app.domains.keys.states import KeyWord
from app.domains.trading.counts import DeletedRows, Exact, KindCounts
from botkeys.exchanges.ccxt_ids import from_ccxt
from botkeys.exchanges.model import (
    ContractType,
    Environment,
    ExchangeId,
    PairAlgorithm,
    PermissionAnswer,
)

# Two keys of the simulator, so that the page of the documentation succeeds in development.
_CREDENTIALS_EXAMPLE: JsonDict = {
    "api_key": "1cf2aa5f-cda3-4869-b1d7-7fbcb15a186f",
    "api_secret": "C7D1A110049560D22B146D35AC3D0330:Sim-58108yZXZ2Nd",
}
_KEY_EXAMPLE: JsonDict = {
    "label": "OKX paper",
    "exchange": "okx",
    "environment": "testnet",
    "contract_type": "linear",
    "api_key": "03e88e8e-a1f2-41ac-a161-38a2334395f2",
    "api_secret": "77ACDAF9A2BC1A5A5932F58033C29E30",
    "api_passphrase": "Sim-BQagwxVmjTG0",
}


def _our_name(value: Any) -> Any:
    """Refuse a name that ccxt has for an exchange, and say what it means here."""
    meant = from_ccxt(value) if isinstance(value, str) and value not in set(ExchangeId) else None
    if meant is not None:
        raise NameOfCcxt(meant)
    return value


_PAIR_EXAMPLE: JsonDict = {
    "label": "Binance main",
    "exchange": "binance",
    "environment": "live",
    "contract_type": "linear",
    "algorithm": "ed25519",
}


class _Entered(Input):
    """What a user enters beside the secret."""

    api_key: Annotated[
        SecretText, Field(description="Sealed on arrival; only a mask of it is kept.")
    ]
    api_passphrase: Annotated[
        SecretText | None,
        Field(description="OKX and KuCoin: the passphrase, unless it is part of `api_secret`."),
    ] = None
    verify_: Annotated[
        Flag,
        Field(
            alias="verify",
            description="Whether to ask the exchange if it accepts the key. If not, and the "
            "exchange would have stated whether the key can withdraw, the key opens no new "
            "positions (`unverified`) until its bot reports that, or the credentials are replaced "
            "with `verify: true`.",
        ),
    ] = True


class CredentialsInput(_Entered):
    """The credentials of one API key, as the exchange issued them."""

    api_secret: Annotated[
        SecretText,
        Field(
            description="Never shown again. For OKX and KuCoin also accepted as "
            "`secret:passphrase`."
        ),
    ]


class CredentialsReplace(_Entered):
    """The credentials that take the place of a key's present ones, or the API key that a key pair
    awaits.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_CREDENTIALS_EXAMPLE]})

    api_secret: Annotated[
        SecretText | None,
        Field(
            description="Required, unless the key is `awaiting_api_key`: then only `api_key` is "
            "sent. Never shown again. For OKX and KuCoin also accepted as `secret:passphrase`."
        ),
    ] = None
    confirm_same_account: Annotated[
        Flag,
        Field(
            description="Your word that the credentials belong to the same exchange account. "
            "Required if the exchange does not prove it: it was not asked, cannot be reached, or "
            "does not identify the account. Another API key is then refused while positions are "
            "open."
        ),
    ] = False


class KeyCreate(CredentialsInput):
    """A key to add, with its credentials."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KEY_EXAMPLE]})

    label: Annotated[Label, Field(description="A name for people; it need not be unique.")]
    exchange: Annotated[ExchangeId, BeforeValidator(_our_name)]
    environment: Environment
    region: Annotated[
        str | None,
        Field(
            max_length=20,
            description="The exchange's region, for exchanges that have several (OKX).",
        ),
    ] = None
    contract_type: ContractType
    active: Annotated[
        Flag, Field(description="A key that is not active opens no new positions.")
    ] = True


class KeyPairCreate(Input):
    """A key whose key pair is made here."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PAIR_EXAMPLE]})

    label: Annotated[Label, Field(description="A name for people; it need not be unique.")]
    exchange: Annotated[ExchangeId, BeforeValidator(_our_name)]
    environment: Environment
    region: Annotated[
        str | None,
        Field(
            max_length=20,
            description="The exchange's region, for exchanges that have several (Bybit).",
        ),
    ] = None
    contract_type: ContractType
    algorithm: Annotated[
        PairAlgorithm,
        Field(description="One of the exchange's `key_pairs`, as `GET /v1/exchanges` lists them."),
    ]
    active: Annotated[
        Flag, Field(description="A key that is not active opens no new positions.")
    ] = True


class KeyChange(Input):
    """A change of a key. Omitted members keep their value. `exchange` never changes: add a new key
    instead.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"label": "OKX main", "active": False}]}
    )

    label: Annotated[
        Label | None, Field(description="A name for people; it need not be unique.")
    ] = None
    active: Annotated[
        Flag | None,
        Field(
            description="A key that is not active opens no new positions; its open positions are "
            "left to the bot's exit rules."
        ),
    ] = None
    contract_type: Annotated[
        ContractType | None,
        Field(
            description="Switches to the instruments and trading assets of the other type. "
            "Rejected while the key's bot is online or a position is open with the key."
        ),
    ] = None
    environment: Annotated[
        Environment | None,
        Field(description="Cannot be changed: any value other than the current one is rejected."),
    ] = None


class AssignedBot(Document):
    """The bot that the key is assigned to."""

    id: UUID
    name: Annotated[str, Field(examples=["Grid BTC"])]


class KeyPermissions(Document):
    """What the key may do according to the exchange; `unknown` where the exchange does not say."""

    read: Annotated[
        PermissionAnswer,
        Field(examples=["yes"], description="Whether the key may read account data."),
    ]
    trade: Annotated[
        PermissionAnswer, Field(examples=["yes"], description="Whether the key may place orders.")
    ]
    withdraw: Annotated[
        PermissionAnswer, Field(examples=["no"], description="Whether the key may withdraw funds.")
    ]
    ip_restricted: Annotated[
        PermissionAnswer,
        Field(
            examples=["unknown"],
            description="Whether the key works only from certain IP addresses.",
        ),
    ]


class Verification(Document):
    """The result of the latest check of the credentials with the exchange."""

    status: Annotated[
        str,
        Field(
            examples=["verified"],
            description="`verified`, `rejected`, `unknown` if the exchange answered but neither "
            "accepted nor rejected the credentials, `unreachable`, or `skipped` if it was not "
            "asked.",
        ),
    ]
    reason: Annotated[
        str | None,
        Field(
            examples=[None],
            description="Why the exchange rejected the credentials (see `RefusalReason`). If the "
            "status is `unknown`: `refused` for a code that says nothing certain about them, "
            "`address_refused` if a firewall or a rule about countries stopped the call, or "
            "`bad_answer`. If the exchange could not be asked: `no_endpoint`, `no_answer`, "
            "`bad_answer` for what is not an answer of its own, or `rate_limited` (by the "
            "exchange, or by the service's own limits).",
        ),
    ]
    possible: Annotated[
        list[str] | None,
        Field(
            examples=[None],
            description="The possible causes, if the exchange does not distinguish them.",
        ),
    ]
    exchange_code: Annotated[
        str | None,
        Field(
            examples=[None],
            description="The exchange's own code for its answer, never its text; of a firewall's "
            "answer, the HTTP status; `other` for a code that is neither a number nor a word.",
        ),
    ]
    checked_at: Annotated[datetime | None, Field(description="Null if the exchange was not asked.")]


class Adjusted(Document):
    """Something that was changed in a field of the request before it was stored."""

    field: Annotated[str, Field(examples=["api_secret"])]
    change: Annotated[
        str,
        Field(
            examples=["white_space"],
            description="`white_space` or `quotes` if such were removed around the value, "
            "`pem_lines` if a private key got the PEM lines that it lacked, `line_ends` if it got "
            "back line ends that were written as `\\n` or had become spaces.",
        ),
    ]
    detail: Annotated[
        str,
        Field(
            examples=["White space or line ends around api_secret were removed."],
            description="A sentence for people.",
        ),
    ]


class LastRelease(Document):
    """The latest release of the credentials to a bot."""

    at: Annotated[datetime, Field(description="When the credentials were released.")]
    from_: Annotated[
        str,
        Field(
            alias="from",
            examples=["203.0.113.7"],
            description="The IP address that the bot called from.",
        ),
    ]


class KeyState(Document):
    """What to know of a key first."""

    word: Annotated[
        KeyWord,
        Field(
            examples=["active"],
            description="The first that applies: `frozen` by a freeze; `inactive` if it is "
            "switched off or awaits its API key; `expired`; `rejected` by the exchange, or because "
            "it can withdraw; `read_only` if it cannot trade; `inactive` if nobody has found out "
            "whether it can withdraw (`unverified`); `expiring` within 30 days; `unreachable` if "
            "the exchange gave no verdict; else `active`.",
        ),
    ]
    sentence: Annotated[
        str,
        Field(
            examples=["OKX accepts this key. A bot has it."],
            description="What that means and what to do next, for people.",
        ),
    ]
    since: Annotated[
        datetime | None,
        Field(examples=[None], description="Since when; null where that is not known."),
    ]


class AssetCounts(Document):
    """Numbers of the trading assets of a key's present contract type."""

    total: Annotated[int, Field(examples=[4])]
    enabled: Annotated[int, Field(examples=[3], description="Assets that are enabled.")]


class Key(Document):
    """A key, without its secrets."""

    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    region: Annotated[
        str | None,
        Field(
            examples=[None], description="The exchange's region, for exchanges that have several."
        ),
    ]
    contract_type: ContractType
    masked_key: Annotated[
        str,
        Field(
            examples=["7d3c…7f10"],
            description="The first and last characters of the API key, to tell keys apart.",
        ),
    ]
    active: Annotated[
        bool, Field(examples=[True], description="A key that is not active opens no new positions.")
    ]
    state: KeyState
    bot: Annotated[
        AssignedBot | None,
        Field(description="The bot that the key is assigned to; null if there is none."),
    ]
    blocked_by: Annotated[
        list[str],
        Field(
            examples=[["frozen"]],
            description="Every reason why no position may be opened with the key now, by its bot "
            "or, without one, by any: the same as in the bot's configuration. Empty if none.",
        ),
    ]
    assets: AssetCounts
    open_positions: Annotated[
        int,
        Field(examples=[0], description="Positions that are open or being opened with the key."),
    ]
    permissions: KeyPermissions
    expires_at: Annotated[
        datetime | None,
        Field(
            examples=[None],
            description="When the credentials expire at the exchange; null if never or not known.",
        ),
    ]
    verification: Verification
    last_release: Annotated[
        LastRelease | None, Field(description="Null if the credentials were never released.")
    ]
    public_key: Annotated[
        str | None,
        Field(
            examples=[None],
            description="The public half of a key pair made here, as PEM text to register at the "
            "exchange; null for other keys.",
        ),
    ]
    awaiting_api_key: Annotated[
        bool,
        Field(
            examples=[False],
            description="Whether the key pair's API key is still missing: no bot can have the key "
            "until `replaceCredentials` brings it.",
        ),
    ]
    version: Annotated[
        int,
        Field(
            examples=[1],
            description="The version of the credentials, incremented by each replacement.",
        ),
    ]
    created_at: datetime
    updated_at: datetime
    adjusted: Annotated[
        list[Adjusted],
        Field(
            default_factory=list,
            description="What was changed in the credentials as they were sent. Only in the answer "
            "to the request that stored them, and omitted if nothing was changed.",
        ),
    ]


class KeyPair(Document):
    """A key pair made here, and what to do with its public half."""

    key: Key
    public_key: Annotated[
        str,
        Field(
            examples=["-----BEGIN PUBLIC KEY-----\n…"],
            description="The public half as PEM text, to register at the exchange.",
        ),
    ]
    instructions: Annotated[
        str,
        Field(
            examples=["Open Account → API Management → Create API …"],
            description="Where to paste the public key, for people.",
        ),
    ]
    portal_url: Annotated[
        str | None,
        Field(
            examples=["https://www.binance.com/en/my/settings/api-management"],
            description="Where users create API keys.",
        ),
    ]


class KeyPage(Document):
    """A page of keys."""

    items: list[Key]
    next_cursor: NextCursor


class AssociatedData(StrEnum):
    """What happens to the trading data of a key when the key is deleted."""

    KEEP = "keep"
    DELETE = "delete"


class DeletionReceipt(Document):
    """What was deleted with the key. Trading data remain."""

    key_id: UUID
    associated_data: Annotated[
        str, Field(examples=["keep"], description="What was requested: always `keep` here.")
    ]
    deleted: Annotated[
        DeletedRows,
        Field(
            examples=[{"keys": 1, "credentials": 1, "trading_assets": 4, "freezes": 0}],
            description="Numbers of deleted rows, by kind.",
        ),
    ]


class KeyDeletionPreview(Document):
    """What deleting the key together with its data would delete now. The key cannot be deleted
    while it has held positions or a bot.
    """

    key_id: UUID
    counts: Annotated[KindCounts, Field(description="Rows that would be deleted.")]
    exact: Exact
    held_positions: Annotated[
        int,
        Field(examples=[0], description="Positions that are open or being opened with the key."),
    ]
    bot: Annotated[
        AssignedBot | None,
        Field(
            examples=[None],
            description="The bot that the key is assigned to; null if there is none.",
        ),
    ]
