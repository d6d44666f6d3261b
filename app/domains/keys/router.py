"""Routes of keys."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit
from app.api.preconditions import Expected, etag
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.api.schemas import Search
from app.auth.scopes import Scope
from app.domains.bots.errors import KeyAssigned, KeyIncomplete
from app.domains.keys import errors
from app.domains.keys.deps import Deletions, Pairs, Replacements, Service
from app.domains.keys.repository import KeyFilter, KeyRow
from app.domains.keys.schemas import (
    AssociatedData,
    CredentialsReplace,
    DeletionReceipt,
    Key,
    KeyChange,
    KeyCreate,
    KeyDeletionPreview,
    KeyPage,
    KeyPair,
    KeyPairCreate,
)
from app.domains.keys.serializers import (
    key_document,
    pair_document,
    stored_key_document,
)
from app.domains.operations.responses import operation_answer
from app.domains.operations.schemas import Operation
from app.domains.trading.counts import all_counted
from botkeys.exchanges.model import Environment, ExchangeId
from botkeys.exchanges.pasted import Adjustment

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=EdgeRoute)


def _stored(
    row: KeyRow, adjusted: Sequence[Adjustment], *, status: int = 200, **headers: str
) -> Response:
    return json_answer(
        stored_key_document(row, adjusted),
        status=status,
        headers={"ETag": etag(row.revision), **headers},
    )


def _one(row: KeyRow, *, status: int = 200, **headers: str) -> Response:
    return json_answer(
        key_document(row), status=status, headers={"ETag": etag(row.revision), **headers}
    )


@router.post(
    "",
    operation_id="addKey",
    summary="Add a key",
    status_code=201,
    response_model=Key,
    responses=problems(
        errors.ContractTypeNotOffered,
        errors.RegionNotOffered,
        errors.PassphraseRequired,
        errors.PassphraseTwice,
        errors.PassphraseNotUsed,
        errors.MalformedCredentials,
        errors.CredentialsSwapped,
        errors.NameOfCcxt,
        errors.KeyAlreadyAdded,
        errors.KeyQuotaReached,
        errors.CredentialsRejected,
        errors.WithdrawalPermission,
    ),
)
@for_users(Scope.KEYS_WRITE, action="key.add")
async def add_key(new: KeyCreate, service: Service) -> Response:
    """Verify the credentials with the exchange, then seal them.

    The credentials are never shown again. If the exchange cannot be asked, the key is added with
    `verification.status` `unreachable`; if it answers without accepting or rejecting them, with
    `unknown`.
    """
    row, adjusted = await service.add(new)
    return _stored(row, adjusted, status=201, Location=f"/v1/keys/{row.id}")


@router.post(
    "/pairs",
    operation_id="addKeyPair",
    summary="Make a key pair for a new key",
    status_code=201,
    response_model=KeyPair,
    responses=problems(
        errors.ContractTypeNotOffered,
        errors.RegionNotOffered,
        errors.KeyPairNotOffered,
        errors.KeyQuotaReached,
    ),
)
@for_users(Scope.KEYS_WRITE, action="key.add_pair")
async def add_key_pair(new: KeyPairCreate, service: Pairs) -> Response:
    """Make a key pair for an exchange that registers public keys, and seal its private half at
    once.

    Register the returned public key at the exchange, then send the API key that it shows to
    `replaceCredentials`, alone. The service cannot open what it sealed, so it cannot check the key:
    under the policy `reject` the key opens no new positions (`unverified`) until its bot reports.
    """
    row = await service.add(new)
    return json_answer(
        pair_document(row),
        status=201,
        headers={"Location": f"/v1/keys/{row.id}"},
    )


@router.get(
    "",
    operation_id="listKeys",
    summary="List keys",
    response_model=KeyPage,
)
@for_users(Scope.KEYS_READ, hot=True)
async def list_keys(
    service: Service,
    environment: Annotated[
        Environment | None, Query(description="Only keys of this environment.")
    ] = None,
    exchange: Annotated[ExchangeId | None, Query(description="Only keys of this exchange.")] = None,
    active: Annotated[
        bool | None, Query(description="Only keys that are, or are not, active.")
    ] = None,
    assigned: Annotated[
        bool | None, Query(description="Only keys that are, or are not, assigned to a bot.")
    ] = None,
    search: Annotated[
        Search | None,
        Query(description="Text to find in label, exchange or masked key, ignoring case."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List the account's keys, newest first."""
    wanted = KeyFilter(environment, exchange, active, assigned, search)
    cursors = IdCursors("keys", wanted=wanted)
    page = await service.page(wanted, cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, key_document))


@router.get(
    "/{key_id}",
    operation_id="getKey",
    summary="Get a key",
    response_model=Key,
)
@for_users(Scope.KEYS_READ)
async def get_key(key_id: UUID, service: Service) -> Response:
    """Return one key, without its secrets."""
    return _one(await service.get(key_id))


@router.patch(
    "/{key_id}",
    operation_id="changeKey",
    summary="Change a key",
    response_model=Key,
    responses=problems(
        errors.EnvironmentImmutable,
        errors.BotOnline,
        errors.ContractHasPositions,
        errors.ContractHasOrders,
        errors.ContractTypeNotOffered,
    ),
)
@for_users(Scope.KEYS_WRITE, action="key.change")
async def change_key(
    key_id: UUID, change: KeyChange, service: Service, expected: Expected
) -> Response:
    """Rename, activate or deactivate a key, or switch its contract type.

    Deactivating stops new positions immediately and leaves open ones to the bot's exit rules. Each
    contract type has its own trading assets; switching back restores the previous ones.
    """
    return _one(await service.change(key_id, change, expected))


@router.put(
    "/{key_id}/credentials",
    operation_id="replaceCredentials",
    summary="Replace a key's credentials",
    response_model=Key,
    responses=problems(
        errors.PassphraseRequired,
        errors.PassphraseTwice,
        errors.PassphraseNotUsed,
        errors.MalformedCredentials,
        errors.CredentialsSwapped,
        errors.KeyAlreadyAdded,
        KeyIncomplete,
        errors.KeyPairOutdated,
        errors.OtherExchangeAccount,
        errors.SameAccountUnproven,
        errors.UnprovenHasPositions,
        errors.UnprovenHasOrders,
        errors.CredentialsRejected,
        errors.WithdrawalPermission,
    ),
)
@for_users(Scope.KEYS_WRITE, action="key.replace_credentials")
async def replace_credentials(
    key_id: UUID,
    new: CredentialsReplace,
    service: Replacements,
    pairs: Pairs,
    expected: Expected,
) -> Response:
    """Replace credentials that expire or were renewed; the key keeps its bot, positions and
    settings.

    The new credentials must belong to the same exchange account. Where the exchange does not prove
    that, and the API key is another one, `confirm_same_account` is required and no position may be
    open. Once the response arrives, the previous credentials are deleted and `version` is
    incremented; the bot then fetches the new ones.

    A key that is `awaiting_api_key` is completed by its `api_key` alone, without a check.
    """
    if new.api_secret is None and new.api_passphrase is None:
        return _stored(*await pairs.complete(key_id, new.api_key, expected))
    return _stored(*await service.replace(key_id, new, expected))


@router.get(
    "/{key_id}/deletion-preview",
    operation_id="previewKeyDeletion",
    summary="Preview the deletion of a key",
    response_model=KeyDeletionPreview,
)
@for_users(Scope.KEYS_READ, dear=True)
async def preview_key_deletion(key_id: UUID, service: Deletions) -> Response:
    """Count what deleting the key together with its data would delete.

    A key that is assigned to a bot, or with which a position is held, cannot be deleted yet.
    """
    preview = await service.preview(key_id)
    return json_answer(
        {
            "key_id": key_id,
            "counts": preview.counts,
            "exact": all_counted(preview.counts),
            "held_positions": preview.held,
            "bot": key_document(preview.key)["bot"],
        }
    )


@router.delete(
    "/{key_id}",
    operation_id="deleteKey",
    summary="Delete a key",
    response_model=DeletionReceipt,
    responses={
        202: {"description": "The operation that deletes the key's data.", "model": Operation},
        **problems(KeyAssigned, errors.FormerBotHasPositions),
    },
)
@for_users(
    Scope.KEYS_WRITE,
    scopes_of_query={("associated_data", AssociatedData.DELETE): Scope.DATA_DELETE},
    action="key.delete",
)
async def delete_key(
    key_id: UUID,
    service: Deletions,
    expected: Expected,
    associated_data: Annotated[
        AssociatedData,
        Query(
            description="What happens to the key's trading data. `delete` requires the scope "
            "`data:delete`."
        ),
    ] = AssociatedData.KEEP,
) -> Response:
    """Delete a key and its credentials.

    When the response arrives, the credentials are deleted. With `associated_data=delete`, the key's
    data are hidden as well, and the operation removes them.
    """
    if associated_data is AssociatedData.DELETE:
        return operation_answer(await service.delete_with_data(key_id, expected), status=202)
    deleted = await service.delete(key_id, expected)
    return json_answer({"key_id": key_id, "associated_data": associated_data, "deleted": deleted})
