"""Refusals that concern keys.

AppError
├── BotOnline                 409 bot_online, with `bot`
├── EnvironmentImmutable      409 environment_immutable
├── KeyAlreadyAdded           409 key_already_added, with `key_id`
├── KeyPairOutdated           409 key_pair_outdated
├── KeyQuotaReached           409 key_quota_reached, with `limit`
├── OpenPositions
│   ├── ContractHasPositions    409 open_positions, with `count`
│   ├── FormerBotHasPositions   409 open_positions, with `count`
│   └── UnprovenHasPositions    409 open_positions, with `count`
├── OpenOrders
│   ├── ContractHasOrders       409 open_orders, with `count`
│   └── UnprovenHasOrders       409 open_orders, with `count`
├── OtherExchangeAccount      409 other_exchange_account
├── SameAccountUnproven       409 same_account_unproven
├── ContractTypeNotOffered    422 contract_type_not_offered, with `contract_types`
├── KeyPairNotOffered         422 key_pair_not_offered, with `algorithms`
├── SecretMissing             422 invalid_request (`app.errors.InvalidRequest`)
├── RegionNotOffered          422 region_not_offered, with `regions`
├── PassphraseRequired        422 passphrase_required
├── PassphraseTwice           422 passphrase_twice
├── PassphraseNotUsed         422 passphrase_not_used
├── MalformedCredentials      422 malformed_credentials
├── CredentialsSwapped        422 credentials_swapped
├── NameOfCcxt                422 exchange_named_by_ccxt, with `exchange`, `region`, `contract_type`
├── CredentialsRejected       422 credentials_rejected, with `reason`, `possible`, `exchange_code`
├── WithdrawalPermission      422 withdrawal_permission
└── SealingUnavailable        503 unavailable
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.domains.trading.errors import OpenOrders, OpenPositions
from app.errors import AppError, InvalidRequest, Unavailable
from botkeys.exchanges.ccxt_ids import CcxtExchange


class BotOnline(AppError):
    """`bot` is `{id, name}`."""

    status = 409
    code = "bot_online"
    title = "The key's bot is online"
    member_names = ("bot",)
    detail = (
        "The contract type cannot change while the bot is running, because the bot trades the "
        "instruments of the current type. Stop the bot or unassign the key, and wait until the bot "
        "is offline."
    )

    def __init__(self, bot_id: UUID, bot_name: str) -> None:
        super().__init__(bot={"id": bot_id, "name": bot_name})


class ContractHasPositions(OpenPositions):
    """The refusal to switch the contract type of a key with positions in the current one."""

    sentence = (
        "The key has {count} open {noun} in instruments of its current contract type. Close "
        "them first."
    )


class ContractHasOrders(OpenOrders):
    """The refusal to switch the contract type of a key with orders in the current one."""

    sentence = (
        "{count} {noun} at the exchange in instruments of the key's current contract type. Cancel "
        "them first."
    )


class FormerBotHasPositions(OpenPositions):
    """The refusal to delete a key that a bot no longer has but still holds positions with."""

    sentence = (
        "A bot that had this key still holds {count} open {noun} with it. Wait until the "
        "bot has closed them, or close them by hand if the bot no longer runs."
    )


class UnprovenHasPositions(OpenPositions):
    """The refusal to replace credentials by some that may be of another exchange account."""

    sentence = (
        "Nothing proves that these credentials belong to the exchange account that holds the key's "
        "{count} open {noun}. Close them first, or replace the credentials with `verify: true` "
        "when the exchange can be reached and identifies the account."
    )


class UnprovenHasOrders(OpenOrders):
    """The refusal to replace credentials by some that may not be able to cancel the orders."""

    sentence = (
        "{count} {noun} at the exchange, and nothing proves that these credentials belong to the "
        "same exchange account. Cancel them first, or replace the credentials with `verify: true` "
        "when the exchange can be reached and identifies the account."
    )


class EnvironmentImmutable(AppError):
    status = 409
    code = "environment_immutable"
    title = "The environment cannot be changed"
    detail = (
        "A key belongs to the environment that it was added for: testnet and live keys have "
        "different credentials. Add a new key for the other environment."
    )


class KeyAlreadyAdded(AppError):
    status = 409
    code = "key_already_added"
    title = "The key was already added"
    member_names = ("key_id",)
    detail = "Your account already has this API key; `key_id` names the key that holds it."

    def __init__(self, key_id: UUID | None = None) -> None:
        super().__init__(key_id=key_id)


class KeyPairOutdated(AppError):
    """The refusal to complete a pair that was made before a recovery of the database."""

    status = 409
    code = "key_pair_outdated"
    title = "The key pair is from before a recovery"
    detail = (
        "The service's database was recovered after this key pair was made, so its bot may have "
        "seen other credentials under the same version. Delete the key and make a new pair."
    )


class KeyPairNotOffered(AppError):
    status = 422
    code = "key_pair_not_offered"
    title = "The exchange does not take key pairs of this algorithm"
    member_names = ("algorithms",)

    def __init__(self, name: str, offered: Sequence[str]) -> None:
        known = f"It takes {' and '.join(offered)}." if offered else "Its keys have a secret."
        super().__init__(
            f"{name} does not take key pairs of this algorithm. {known}", algorithms=list(offered)
        )


class SecretMissing(InvalidRequest):
    """The refusal of an API key alone for a key that does not await one."""

    def __init__(self) -> None:
        super().__init__(
            [{"loc": ["body", "api_secret"], "type": "missing", "msg": "Field required"}]
        )


class ContractTypeNotOffered(AppError):
    status = 422
    code = "contract_type_not_offered"
    title = "The exchange does not offer this contract type"
    member_names = ("contract_types",)

    def __init__(self, name: str, offered: Sequence[str]) -> None:
        super().__init__(
            f"{name} offers {' and '.join(offered)} contracts only.", contract_types=list(offered)
        )


class RegionNotOffered(AppError):
    status = 422
    code = "region_not_offered"
    title = "The exchange does not have this region"
    member_names = ("regions",)

    def __init__(self, name: str, regions: Sequence[str]) -> None:
        known = f"Its regions are {', '.join(regions)}." if regions else "Omit `region`."
        super().__init__(f"{name} does not have this region. {known}", regions=list(regions))


class PassphraseRequired(AppError):
    status = 422
    code = "passphrase_required"
    title = "The passphrase is missing"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} keys have a passphrase: send `api_secret` as `secret:passphrase`, or send the "
            "passphrase as `api_passphrase`."
        )


class PassphraseTwice(AppError):
    status = 422
    code = "passphrase_twice"
    title = "The passphrase was sent twice"
    detail = (
        "Send the passphrase either within `api_secret`, as `secret:passphrase`, or as "
        "`api_passphrase`, not both."
    )


class PassphraseNotUsed(AppError):
    status = 422
    code = "passphrase_not_used"
    title = "The exchange does not use a passphrase"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} keys have no passphrase. Omit `api_passphrase`.")


class MalformedCredentials(AppError):
    """`detail` names what is wrong with the form and never repeats what was sent."""

    status = 422
    code = "malformed_credentials"
    title = "The credentials are malformed"


class CredentialsSwapped(AppError):
    status = 422
    code = "credentials_swapped"
    title = "API key and secret are swapped"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"`api_key` has the form of a secret of {name}. Enter each in the other's field."
        )


class NameOfCcxt(AppError):
    """`region` and `contract_type` are present if the name implies one."""

    status = 422
    code = "exchange_named_by_ccxt"
    title = "This is ccxt's name of the exchange"
    member_names = ("exchange", "region", "contract_type")

    def __init__(self, meant: CcxtExchange) -> None:
        members = {
            "exchange": meant.exchange.value,
            "region": meant.region,
            "contract_type": meant.contract_type,
        }
        present = {name: str(value) for name, value in members.items() if value is not None}
        listed = ", ".join(f"`{name}: {value}`" for name, value in present.items())
        super().__init__(
            f"This is a name that ccxt has for the exchange. Send {listed}.", **present
        )


class OtherExchangeAccount(AppError):
    status = 409
    code = "other_exchange_account"
    title = "The credentials belong to another exchange account"
    detail = (
        "These credentials belong to another account at the exchange, which does not hold this "
        "key's positions. Add them as a new key."
    )


class SameAccountUnproven(AppError):
    status = 409
    code = "same_account_unproven"
    title = "Nothing proves that the exchange account is the same"
    detail = (
        "The exchange was not asked, could not be reached or does not identify the account, so "
        "these credentials may belong to another one. If they belong to the same account, repeat "
        "the request with `confirm_same_account: true`; otherwise add them as a new key."
    )


class CredentialsRejected(AppError):
    """`possible` is present if the exchange does not distinguish between several causes,
    `exchange_code` if it gave a code of its own.
    """

    status = 422
    code = "credentials_rejected"
    title = "The exchange rejected the credentials"
    member_names = ("reason", "possible", "exchange_code")

    def __init__(
        self,
        detail: str,
        reason: str,
        possible: Sequence[str] = (),
        exchange_code: str | None = None,
    ) -> None:
        extra: dict[str, Any] = {"possible": list(possible)} if possible else {}
        if exchange_code is not None:
            extra["exchange_code"] = exchange_code
        super().__init__(detail, reason=reason, **extra)


class WithdrawalPermission(AppError):
    status = 422
    code = "withdrawal_permission"
    title = "The key can withdraw funds"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"This key may withdraw funds from {name}. Create one with trading permission only: "
            "a bot never needs to withdraw, and a stolen key does less harm without it."
        )


class KeyQuotaReached(AppError):
    """`limit` is how many keys of an account there may be."""

    status = 409
    code = "key_quota_reached"
    title = "The account has as many keys as it may have"
    member_names = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"An account has at most {limit} keys. Delete one that is no longer used.", limit=limit
        )


class SealingUnavailable(Unavailable):
    """No master key in the process's folder is one that a runtime process is known to hold."""

    detail = (
        "The service cannot store credentials: no master public key in its key folder belongs to a "
        "runtime process. Nothing was stored. The operator must copy the public half of a key that "
        "runtime holds into that folder, or start runtime with the private half."
    )
