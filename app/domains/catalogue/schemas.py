"""What an exchange offers, as the dashboard needs it to ask for a key."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import DecimalText, Document, NextCursor
from botkeys.exchanges.model import (
    Availability,
    ContractType,
    Environment,
    ExchangeId,
    LeverageKind,
    MarginMode,
    MarginModeScope,
    PairAlgorithm,
)

RegionNames = TypeAliasType(
    "RegionNames",
    Annotated[
        dict[str, str],
        Field(
            examples=[
                {"global": "Global (www.okx.com)", "eea": "European Economic Area (eea.okx.com)"}
            ],
            description="What each region is, for people.",
        ),
    ],
)


class ExchangeEnvironment(Document):
    """What the exchange offers in one environment."""

    availability: Annotated[
        Availability,
        Field(description="For information only: a key is never refused because of it."),
    ]
    note: Annotated[
        str | None,
        Field(examples=[None], description="What a user should know about this environment."),
    ]
    portal_url: Annotated[
        str | None,
        Field(
            examples=["https://www.okx.com/account/my-api"],
            description="Where users create API keys.",
        ),
    ]
    regions: Annotated[
        list[str],
        Field(
            examples=[["global", "eea"]],
            description="The regions a key can belong to; the first is the default.",
        ),
    ]
    region_names: RegionNames
    advice: Annotated[
        list[str],
        Field(
            examples=[["Liquidity is synthetic: slippage differs from live."]],
            description="What to know before a key of this environment is used, in sentences.",
        ),
    ]


ExchangeEnvironments = TypeAliasType(
    "ExchangeEnvironments",
    Annotated[
        dict[Environment, ExchangeEnvironment],
        Field(description="The exchange's environments, by name."),
    ],
)


class CredentialField(Document):
    """An input of the form in which a user enters the exchange's credentials."""

    name: Annotated[
        str,
        Field(examples=["api_key"], description="The member of `KeyCreate` that takes the value."),
    ]
    required: Annotated[bool, Field(description="Whether the exchange requires the value.")]
    help: Annotated[
        str,
        Field(
            examples=["The API key as the exchange shows it."],
            description="What to enter, for people.",
        ),
    ]
    label: Annotated[
        str,
        Field(
            examples=["API Secret (secret key)"],
            description="The name of the input; in brackets what the exchange calls it.",
        ),
    ]
    secret: Annotated[
        bool,
        Field(
            examples=[True], description="Whether to hide the value while it is entered, and after."
        ),
    ]
    pattern: Annotated[
        str,
        Field(
            examples=["[!-~]{1,512}"],
            description="A regular expression for the whole of what is entered, for the attribute "
            "`pattern` of HTML or `RegExp` with the flag `u` or `v`. What does not match is "
            "`malformed_credentials`, except that two pairs of quotes around a value, one within "
            "the other, would be removed too; what matches is well-formed, except for text that "
            "begins like a private key: only the service reads that. White space and a pair of "
            "quotes around the value are permitted, since the service removes them.",
        ),
    ]
    min_length: Annotated[
        int,
        Field(
            examples=[1],
            description="The fewest characters of a value, without what surrounds it.",
        ),
    ]
    max_length: Annotated[
        int,
        Field(
            examples=[512],
            description="The most characters of a value, without what surrounds it: do not cut off "
            "what is pasted, but say that it is too long.",
        ),
    ]
    placeholder: Annotated[
        str,
        Field(
            examples=["xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"],
            description="What a value looks like, made of the letter x.",
        ),
    ]
    multiline: Annotated[
        bool,
        Field(
            examples=[False],
            description="Whether the value may be a private key as PEM text, which has several "
            "lines.",
        ),
    ]
    within: Annotated[
        str | None,
        Field(
            examples=[None],
            description="The other field in which this value may be entered too, after that "
            "field's own and a colon: `api_secret` for a passphrase. One of both, not both.",
        ),
    ]


class NamedPermission(Document):
    """A permission of an API key."""

    name: Annotated[
        str, Field(examples=["Enable Futures"], description="What the exchange calls it.")
    ]
    help: Annotated[
        str,
        Field(examples=["Lets the bot trade perpetuals."], description="A sentence for people."),
    ]


class KeyAddressRestriction(Document):
    """How a key is restricted to addresses at the exchange."""

    name: Annotated[
        str, Field(examples=["trusted IPs"], description="What the exchange calls the list.")
    ]
    help: Annotated[
        str,
        Field(
            examples=["Restrict access to trusted IPs, and enter the addresses of your bot."],
            description="What to do, for people.",
        ),
    ]
    without: Annotated[
        str | None,
        Field(
            examples=["Binance deletes a trading key without them after a while."],
            description="What happens to a key without a restriction; null if nothing is known.",
        ),
    ]
    revealed: Annotated[
        bool,
        Field(
            examples=[True],
            description="Whether a check of a live key finds out if it is restricted "
            "(`permissions.ip_restricted`).",
        ),
    ]


class KeyExpiry(Document):
    """When the exchange ends keys by itself."""

    help: Annotated[
        str,
        Field(
            examples=["KuCoin does not report when a key ends."],
            description="What is known, for people.",
        ),
    ]
    revealed: Annotated[
        bool,
        Field(examples=[False], description="Whether a check of a key finds out (`expires_at`)."),
    ]


class ExchangeOffer(Document):
    """An exchange, and what a user needs to know before adding a key."""

    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    name: Annotated[str, Field(examples=["OKX"], description="The exchange's name for people.")]
    environments: ExchangeEnvironments
    contract_types: list[ContractType]
    margin_modes: list[MarginMode]
    margin_mode_scope: MarginModeScope
    leverage: Annotated[LeverageKind, Field(examples=["per_symbol"])]
    leverage_margin_modes: Annotated[
        list[MarginMode],
        Field(
            examples=[["cross", "isolated"]],
            description="The margin modes with which a leverage is set. With any other one, "
            "leverage follows from position size and margin.",
        ),
    ]
    credential_fields: Annotated[
        list[CredentialField],
        Field(description="The inputs that the exchange's credentials consist of."),
    ]
    required_permissions: Annotated[
        list[str],
        Field(
            examples=[["Read", "Trade"]],
            description="What the key must be allowed to do at the exchange: the names of "
            "`permissions`.",
        ),
    ]
    permissions: Annotated[
        list[NamedPermission], Field(description="The permissions to give to the key.")
    ]
    forbidden_permissions: Annotated[
        list[NamedPermission],
        Field(description="The permissions never to give to a bot's key."),
    ]
    address_restriction: KeyAddressRestriction
    expiry: KeyExpiry
    setup_steps: Annotated[
        list[str],
        Field(
            examples=[["Create an API key with the permissions Read and Trade."]],
            description="How to create a key at the exchange, step by step, for people.",
        ),
    ]
    key_pairs: Annotated[
        list[PairAlgorithm],
        Field(
            examples=[["ed25519", "rsa"]],
            description="The key pairs that `addKeyPair` makes for this exchange, the recommended "
            "first; empty if it registers no public keys.",
        ),
    ]
    key_pair_help: Annotated[
        str | None,
        Field(
            examples=["Open Account → API Management → Create API …"],
            description="Where to register a public key, for people; null if `key_pairs` is empty.",
        ),
    ]


class Instrument(Document):
    """A perpetual contract as the exchange lists it."""

    symbol: Annotated[
        str, Field(examples=["BTC-USDT-SWAP"], description="The exchange's own spelling.")
    ]
    base: Annotated[
        str, Field(examples=["BTC"], description="The base asset, normalised (XBT becomes BTC).")
    ]
    quote: Annotated[str, Field(examples=["USDT"], description="The quote asset, normalised.")]
    settle: Annotated[str, Field(examples=["USDT"], description="The settle asset, normalised.")]
    price: Annotated[
        DecimalText | None,
        Field(
            examples=["97012.5"], description="The price at the latest fetch, in the quote asset."
        ),
    ]
    volume_24h: Annotated[
        DecimalText | None,
        Field(
            examples=["1840223114.2"],
            description="The volume of the last 24 hours at the latest fetch, in the quote asset.",
        ),
    ]
    max_leverage: Annotated[
        DecimalText | None,
        Field(examples=["100"], description="The exchange's maximum; null if it is not known."),
    ]
    margin_modes: Annotated[
        list[MarginMode],
        Field(examples=[["cross", "isolated"]], description="The modes that the symbol supports."),
    ]
    tick_size: Annotated[DecimalText, Field(examples=["0.1"], description="The price increment.")]
    lot_size: Annotated[
        DecimalText, Field(examples=["0.01"], description="The quantity increment.")
    ]
    contract_size: Annotated[
        DecimalText,
        Field(
            examples=["0.01"],
            description="What one unit of quantity is worth: in the base asset (linear) or the "
            "quote asset (inverse).",
        ),
    ]
    expires_at: Annotated[
        datetime | None,
        Field(
            examples=[None],
            description="When the contract ends, if it is perpetual in all else: OKX's X-Perps in "
            "the region eea. Null for others.",
        ),
    ]
    added: Annotated[bool, Field(description="Whether it is one of the key's trading assets.")]


class CatalogueFreshness(Document):
    """How current the instruments and their prices are."""

    fetched_at: Annotated[
        datetime | None, Field(description="When the list was last fetched; null if it never was.")
    ]
    stale: Annotated[
        bool,
        Field(description="Whether prices are older than intended, or the latest fetch failed."),
    ]
    reason: Annotated[
        str | None,
        Field(
            examples=[None],
            description="Why the latest fetch failed: `no_endpoint`, `no_answer`, `rate_limited`, "
            "`refused`, `address_refused` or `bad_answer`; null if it succeeded.",
        ),
    ]


class InstrumentPage(CatalogueFreshness):
    """A page of instruments, and how current they are."""

    items: list[Instrument]
    next_cursor: NextCursor


class ExchangeList(Document):
    """All supported exchanges."""

    items: list[ExchangeOffer]
    next_cursor: Annotated[
        str | None, Field(description="Always null: the list is complete.", examples=[None])
    ]
    outbound_addresses: Annotated[
        list[str],
        Field(
            examples=[["203.0.113.7", "2001:db8::/64"]],
            description="The addresses and networks from which this service calls exchanges when "
            "it checks a key, to restrict keys to, beside those of the bots; empty if the operator "
            "has not stated them.",
        ),
    ]
    simulated: Annotated[
        bool,
        Field(
            examples=[False],
            description="Whether this service calls its built-in simulator instead of the "
            "exchanges: in development only.",
        ),
    ]
