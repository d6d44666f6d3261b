"""Routes of keys."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit, SortedCursors
from app.api.preconditions import Expected, etag
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.api.schemas import Search
from app.auth.scopes import Scope
from app.domains.bots.errors import KeyAssigned, KeyIncomplete
from app.domains.keys import errors
from app.domains.keys.deps import Deletions, Documents, Pairs, Replacements, Service
from app.domains.keys.listing import KeyFilter, KeySort, order_of
from app.domains.keys.rows import KeyRow
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
from app.domains.keys.serializers import assigned_bot
from app.domains.operations.responses import operation_answer
from app.domains.operations.schemas import Operation
from app.domains.trading.counts import all_counted
from botkeys.exchanges.model import Environment, ExchangeId

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=EdgeRoute)


def _answer(document: Any, row: KeyRow, *, status: int = 200, **headers: str) -> Response:
    return json_answer(document, status=status, headers={"ETag": etag(row.revision), **headers})


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
async def add_key(new: KeyCreate, service: Service, documents: Documents) -> Response:
    """Verify the credentials with the exchange, then seal them.

    The credentials are never shown again. If the exchange cannot be asked, the key is added with
    `verification.status` `unreachable`; if it answers without accepting or rejecting them, with
    `unknown`.
    """
    row, adjusted = await service.add(new)
    stored = documents.stored(row, adjusted)
    return _answer(stored, row, status=201, Location=f"/v1/keys/{row.id}")


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
async def add_key_pair(new: KeyPairCreate, service: Pairs, documents: Documents) -> Response:
    """Make a key pair for an exchange that registers public keys, and seal its private half at
    once.

    Register the returned public key at the exchange, then send the API key that it shows to
    `replaceCredentials`, alone. The service cannot open what it sealed, so it cannot check the key:
    under the policy `reject` the key opens no new positions (`unverified`) until its bot reports.
    """
    row = await service.add(new)
    return json_answer(
        documents.pair(row),
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
    documents: Documents,
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
    sort: Annotated[
        KeySort | None,
        Query(
            description="The order, with a minus for descending; newest first if omitted. Labels "
            "are compared without regard to case, by code point; a key that never expires, or of "
            "which that is not known, counts as expiring last. Equal ones are in the order of "
            "their ids."
        ),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List the account's keys, with everything that a table of them shows."""
    wanted = KeyFilter(environment, exchange, active, assigned, search)
    order = order_of(sort)
    if order is None:
        cursors = IdCursors("keys", wanted=wanted)
        newest = await service.page(wanted, cursors.after(cursor), limit)
        return json_answer(newest.envelope(cursors, documents.key))
    places = SortedCursors("keys", wanted=wanted, sort=sort)
    page = await service.sorted_page(wanted, order, places.after(cursor), limit)
    return json_answer(page.envelope(places, documents.key))


@router.get(
    "/{key_id}",
    operation_id="getKey",
    summary="Get a key",
    response_model=Key,
)
@for_users(Scope.KEYS_READ)
async def get_key(key_id: UUID, service: Service, documents: Documents) -> Response:
    """Return one key, without its secrets."""
    row = await service.get(key_id)
    return _answer(documents.key(row), row)


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
    key_id: UUID, change: KeyChange, service: Service, documents: Documents, expected: Expected
) -> Response:
    """Rename, activate or deactivate a key, or switch its contract type.

    Deactivating stops new positions immediately and leaves open ones to the bot's exit rules. Each
    contract type has its own trading assets; switching back restores the previous ones.
    """
    row = await service.change(key_id, change, expected)
    return _answer(documents.key(row), row)


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
    documents: Documents,
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
        row, adjusted = await pairs.complete(key_id, new.api_key, expected)
    else:
        row, adjusted = await service.replace(key_id, new, expected)
    return _answer(documents.stored(row, adjusted), row)


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
            "bot": assigned_bot(preview.key),
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
